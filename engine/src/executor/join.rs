//! Several streams of the same work, joined period by period.

use futures::{StreamExt, future::join_all, stream, stream::BoxStream};

use crate::{
    data::{Arrival, Slice, Slices, Status},
    step::{ErrorKind, StepError},
};

type Stream = BoxStream<'static, Result<Arrival, StepError>>;

/// One stream whose slices hold the variables of all. It ends where the first of them does: what one
/// of them lacks yet is the frontier for all.
///
/// Context is left out: filters, which asked for it, stand before the join.
pub(super) fn join(mut streams: Vec<Slices>) -> Slices {
    if streams.len() == 1
        && let Some(only) = streams.pop()
    {
        return only;
    }
    let streams: Vec<Stream> = streams.into_iter().map(|slices| slices.0).collect();
    let joined = stream::unfold(Some(streams), |streams| async move {
        let mut streams = streams?;
        let next = join_all(streams.iter_mut().map(next)).await;
        match next.into_iter().collect::<Result<Option<Vec<Arrival>>, StepError>>() {
            Ok(Some(arrivals)) => match merge(arrivals) {
                Ok(arrival) => Some((Ok(arrival), Some(streams))),
                Err(error) => Some((Err(error), None)),
            },
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Slices(joined.boxed())
}

/// The next that is no context; nothing at the end.
async fn next(stream: &mut Stream) -> Result<Option<Arrival>, StepError> {
    loop {
        match stream.next().await.transpose()? {
            Some(Arrival::Slice(slice)) if slice.context => {}
            arrival => return Ok(arrival),
        }
    }
}

/// What arrived of one period, as one.
fn merge(arrivals: Vec<Arrival>) -> Result<Arrival, StepError> {
    let mut whole: Option<Slice> = None;
    let mut kept = None;
    let mut due = None;
    for arrival in arrivals {
        let period = arrival.period();
        let expected = *due.get_or_insert(period);
        if expected != period {
            let message = format!("streams that are joined gave {expected} and {period} at a time");
            return Err(StepError::permanent(ErrorKind::Internal, message).at(expected));
        }
        match (arrival, &mut whole) {
            // Of a period that one of them has nothing newer for, what is stored stays.
            (Arrival::Kept(period), _) => kept = Some(period),
            (Arrival::Slice(slice), None) => whole = Some(slice),
            (Arrival::Slice(slice), Some(whole)) => add(whole, slice)?,
        }
    }
    match (kept, whole) {
        (Some(period), _) => Ok(Arrival::Kept(period)),
        (None, Some(slice)) => Ok(Arrival::Slice(slice)),
        (None, None) => Err(StepError::permanent(ErrorKind::Internal, "nothing was there to be joined")),
    }
}

/// Adds the variables of another stream. What one of them records as a gap is a gap.
fn add(whole: &mut Slice, more: Slice) -> Result<(), StepError> {
    if whole.grid != more.grid {
        let ((rows, columns), (other_rows, other_columns)) = (whole.grid.shape(), more.grid.shape());
        let differ = if (rows, columns) == (other_rows, other_columns) {
            format!("both of {rows} × {columns} cells, but elsewhere")
        } else {
            format!("{rows} × {columns} and {other_rows} × {other_columns} cells")
        };
        let message = format!("streams that are joined do not lie on one grid: {differ}");
        return Err(StepError::permanent(ErrorKind::Data, message).at(whole.period).help(
            "give all of them the same `bbox`, regrid one of them, or write to datasets of their own",
        ));
    }
    let gap = |slice: &Slice| slice.status == Status::Gap;
    if gap(whole) || gap(&more) {
        whole.status = Status::Gap;
        whole.fields.clear();
        return Ok(());
    }
    whole.status = whole.status.max(more.status);
    whole.fields.extend(more.fields);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        data::{Axis, Crs, Field, Frequency, Grid, Period, Periods},
        executor::together,
        plan::PlannedSlices,
    };

    fn day(n: i64) -> Period {
        Period::parse("2024-01-01", Frequency::Day).unwrap().plus(n)
    }

    fn grid(len: usize, origin: f64) -> Arc<Grid> {
        let crs = Crs { code: None, wkt: String::new() };
        Arc::new(Grid {
            crs,
            y: Axis::regular("y", 0.0, 1.0, 1),
            x: Axis::regular("x", origin, 1.0, len),
            extra: Default::default(),
        })
    }

    fn slice(variable: &str, n: i64, status: Status) -> Slice {
        let field = Field { name: variable.to_owned(), values: vec![1.0f32].into(), fill: None, units: None };
        let fields = if status == Status::Gap { Vec::new() } else { vec![field] };
        Slice { period: day(n), status, context: false, grid: grid(1, 0.0), fields }
    }

    fn of(items: Vec<Result<Arrival, StepError>>) -> Slices {
        Slices(stream::iter(items).boxed())
    }

    fn here(variable: &str, n: i64) -> Result<Arrival, StepError> {
        Ok(Arrival::Slice(slice(variable, n, Status::Final)))
    }

    async fn shown(streams: Vec<Slices>) -> Vec<String> {
        let text = |item: Result<Arrival, StepError>| match item {
            Ok(Arrival::Kept(period)) => format!("{period} kept"),
            Ok(Arrival::Slice(slice)) => {
                let names: Vec<_> = slice.fields.iter().map(|field| field.name.as_str()).collect();
                format!("{} {} {}", slice.period, slice.status.name(), names.join("+"))
            }
            Err(error) => error.to_string(),
        };
        join(streams).0.map(text).collect().await
    }

    #[tokio::test]
    async fn periods_are_joined_until_one_stream_ends() {
        let context = Slice { context: true, ..slice("t", -1, Status::Final) };
        let provisional = Slice { status: Status::Provisional, ..slice("t", 1, Status::Final) };
        let gap = Ok(Arrival::Slice(slice("t", 2, Status::Gap)));
        let t = vec![
            Ok(Arrival::Slice(context)),
            here("t", 0),
            Ok(Arrival::Slice(provisional)),
            gap,
            Ok(Arrival::Kept(day(3))),
            here("t", 4),
        ];
        let r = (0..6).map(|n| here("r", n)).collect();
        assert_eq!(
            shown(vec![of(r), of(t)]).await,
            [
                "2024-01-01 final r+t",
                "2024-01-02 provisional r+t",
                "2024-01-03 gap ",
                "2024-01-04 kept",
                "2024-01-05 final r+t"
            ]
        );
    }

    #[test]
    fn streams_cost_what_they_cost_together_and_hold_no_more_periods_than_the_one_that_holds_most() {
        let periods = Periods {
            dataset: "d".parse().unwrap(),
            step: Frequency::Day,
            base: None,
            source: None,
            release: None,
            items: Vec::new(),
            batches: Vec::new(),
        };
        let stream = |requests, bytes, in_flight| PlannedSlices {
            periods: periods.clone(),
            requests,
            bytes,
            in_flight,
            memory: 5,
            reasons: vec![format!("{requests} files")],
        };
        let both = together(periods.clone(), &[stream(3, Some(10), 4), stream(5, Some(20), 2)]);
        assert_eq!((both.requests, both.bytes, both.in_flight), (8, Some(30), 4));
        assert_eq!(both.memory, 10, "what sources hold by themselves they hold at the same time");
        assert_eq!(both.reasons, ["3 files", "5 files"]);
        let unknown = together(periods.clone(), &[stream(3, Some(10), 4), stream(5, None, 2)]);
        assert_eq!(unknown.bytes, None, "bytes of which a part is not known are not known");
    }

    #[tokio::test]
    async fn an_error_or_another_grid_ends_it() {
        let broken = StepError::permanent(ErrorKind::Network, "the source is broken").at(day(1));
        let t = of(vec![here("t", 0), Err(broken), here("t", 2)]);
        let r = of((0..3).map(|n| here("r", n)).collect());
        assert_eq!(shown(vec![t, r]).await, ["2024-01-01 final t+r", "2024-01-02: the source is broken"]);
        for (other, said) in
            [(grid(2, 0.0), "1 × 1 and 1 × 2 cells"), (grid(1, 0.5), "both of 1 × 1 cells, but elsewhere")]
        {
            let moved = Slice { grid: other, ..slice("t", 0, Status::Final) };
            let found = shown(vec![of(vec![here("r", 0)]), of(vec![Ok(Arrival::Slice(moved))])]).await;
            assert_eq!(
                found,
                [format!("2024-01-01: streams that are joined do not lie on one grid: {said}")]
            );
        }
        let found = shown(vec![of(vec![here("r", 0)]), of(vec![here("t", 1)])]).await;
        assert!(found[0].contains("gave 2024-01-01 and 2024-01-02"), "{found:?}");
    }
}
