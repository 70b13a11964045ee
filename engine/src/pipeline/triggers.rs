//! What is wrong with triggers: cron lines, time zones, parameters.

use chrono::{LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::Tz;
use croner::Cron;

use super::{Trigger, draft::Draft};
use crate::{
    diagnostic::{Diagnostic, Span, codes, nearest},
    document::Node,
    trigger::{ROUND, fits, parse, times},
};

/// The year by whose clock changes lines are judged; a check knows no clock.
const YEAR: i32 = 2026;

/// Names that the time zone database keeps for old files, and what they are called now.
const OLD_ZONES: &[(&str, &str)] = &[
    ("Africa/Asmera", "Africa/Asmara"),
    ("America/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ("America/Godthab", "America/Nuuk"),
    ("America/Indianapolis", "America/Indiana/Indianapolis"),
    ("Asia/Calcutta", "Asia/Kolkata"),
    ("Asia/Katmandu", "Asia/Kathmandu"),
    ("Asia/Rangoon", "Asia/Yangon"),
    ("Asia/Saigon", "Asia/Ho_Chi_Minh"),
    ("Asia/Dacca", "Asia/Dhaka"),
    ("Atlantic/Faeroe", "Atlantic/Faroe"),
    ("Europe/Kiev", "Europe/Kyiv"),
    ("US/Alaska", "America/Anchorage"),
    ("US/Central", "America/Chicago"),
    ("US/Eastern", "America/New_York"),
    ("US/Hawaii", "Pacific/Honolulu"),
    ("US/Mountain", "America/Denver"),
    ("US/Pacific", "America/Los_Angeles"),
];

/// Says what is wrong with a trigger.
pub(super) fn check(trigger: &Trigger, node: &Node, draft: &Draft<'_>, out: &mut Vec<Diagnostic>) {
    let spot = node.spot();
    let has_http = node.entry("http").is_some();
    let kinds =
        [("cron", trigger.cron.is_some()), ("http", has_http), ("dataset", trigger.dataset.is_some())];
    let said: Vec<&str> = kinds.iter().filter(|(_, there)| *there).map(|(key, _)| *key).collect();
    match said[..] {
        [_] => {}
        [] => out.push(
            Diagnostic::error(codes::TRIGGER, spot, "this trigger does not say what starts the pipeline")
                .help("say one of `cron: \"30 6 * * *\"`, `http: {}` and `dataset: name`"),
        ),
        _ => out.push(
            Diagnostic::error(codes::TRIGGER, spot, format!("this trigger says `{}`", said.join("` and `")))
                .help("write a trigger of its own for each"),
        ),
    }
    if trigger.cron.is_none() && !said.is_empty() {
        for key in ["timezone", "missed", "dst", "jitter"] {
            if let Some(entry) = node.entry(key) {
                let message = format!("`{key}` belongs to a `cron` trigger");
                out.push(Diagnostic::error(codes::TRIGGER, entry.key_span, message));
            }
        }
    }
    let zone = zone(trigger, node, out);
    if let Some(cron) = &trigger.cron {
        line(cron, trigger, zone, node.place("/cron"), out);
    }
    params(trigger, node, draft, out);
}

/// The time zone that cron lines are read in; none where it is not known.
fn zone(trigger: &Trigger, node: &Node, out: &mut Vec<Diagnostic>) -> Option<Tz> {
    let Some(zone) = &trigger.timezone else { return Some(Tz::UTC) };
    let place = node.place("/timezone");
    if let Ok(found) = zone.parse::<Tz>() {
        if let Some((old, now)) = OLD_ZONES.iter().find(|(old, _)| old == zone) {
            let message = format!("`{old}` is the old name of a time zone");
            let problem = Diagnostic::error(codes::OLD_ZONE, place, message).help(format!("write `{now}`"));
            out.push(problem.instead(old, Some(now)).warning());
        }
        return Some(found);
    }
    let names = chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name());
    // A city alone, or a slip in the name.
    let of_city = names.clone().find(|name| {
        name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&zone.replace(' ', "_")))
    });
    let near = nearest(zone, names);
    let help = of_city.or(near).map_or_else(
        || "write an IANA name such as `Africa/Freetown`, or `UTC`".to_owned(),
        |name| format!("did you mean `{name}`?"),
    );
    out.push(
        Diagnostic::error(codes::TIMEZONE, place, format!("`{zone}` is not a time zone"))
            .help(help)
            .instead(zone, of_city.or(near)),
    );
    None
}

/// Judges a cron line: its form, whether it ever fires, and what clock changes do to it.
fn line(cron: &str, trigger: &Trigger, zone: Option<Tz>, place: Span, out: &mut Vec<Diagnostic>) {
    let parsed = match parse(cron) {
        Ok(found) => found,
        Err(error) => {
            let help = "five fields: minute (0-59), hour (0-23), day of the month (1-31), month (1-12), day of the week (0-7)";
            let why = error.trim_start_matches("Component error: ").trim_end_matches('.').to_lowercase();
            let shown: String = cron.chars().take(60).collect();
            let message = format!("`{shown}` is not a cron line: {why}");
            return out.push(Diagnostic::error(codes::CRON, place, message).help(help));
        }
    };
    if !fires(&parsed) {
        let message = format!("`{cron}` never fires: no month that it names has such a day");
        let help = "`L` is the last day of a month, as in `0 6 L * *`";
        return out.push(Diagnostic::error(codes::NEVER, place, message).help(help));
    }
    if let Some((at, what)) = zone.filter(|_| trigger.dst.is_none()).and_then(|zone| moved(&parsed, zone)) {
        let name = trigger.timezone.as_deref().unwrap_or("UTC");
        let (time, day) = (at.format("%H:%M"), at.format("%-d %B %Y"));
        let message = format!("in {name} the clock shows {time} {what} on {day}");
        let help = "say what is wanted: `dst: once` (as if nothing were said), `skip` or `both`; or choose an hour that every day has once";
        out.push(Diagnostic::error(codes::CLOCK_CHANGE, place, message).help(help).warning());
    }
}

/// Whether any day fits.
fn fires(line: &Cron) -> bool {
    let days =
        NaiveDate::from_ymd_opt(2000, 1, 1).into_iter().flat_map(|first| first.iter_days().take(ROUND));
    days.into_iter().any(|day| fits(line, day))
}

/// The first instant that the line names and that a clock change skips or doubles. Lines that fire in
/// every hour lose or win one tick, which nobody minds.
fn moved(line: &Cron, zone: Tz) -> Option<(NaiveDateTime, &'static str)> {
    if line.pattern.hours.from_wildcard {
        return None;
    }
    let first = NaiveDate::from_ymd_opt(YEAR, 1, 1)?;
    let offset = |day: NaiveDate| zone.offset_from_utc_datetime(&day.and_time(NaiveTime::MIN)).fix();
    for day in first.iter_days().take(366) {
        let next = day.succ_opt()?;
        if offset(day) == offset(next) || !fits(line, day) {
            continue;
        }
        for at in times(line, day) {
            match zone.from_local_datetime(&at) {
                LocalResult::Single(_) => {}
                LocalResult::None => return Some((at, "never")),
                LocalResult::Ambiguous(..) => return Some((at, "twice")),
            }
        }
    }
    None
}

fn params(trigger: &Trigger, node: &Node, draft: &Draft<'_>, out: &mut Vec<Diagnostic>) {
    for (name, value) in &trigger.params {
        let place = node.place(&format!("/params/{name}"));
        match draft.params.iter().find(|(known, _)| known == name) {
            Some((_, param)) => {
                if let Err(message) = param.accept(value) {
                    out.push(Diagnostic::told(codes::PARAM, place, &message));
                }
            }
            None => {
                let known: Vec<&str> = draft.params.iter().map(|(n, _)| n.as_str()).collect();
                out.push(
                    Diagnostic::error(codes::ATTRIBUTE, place, format!("there is no parameter `{name}`"))
                        .meant(name, &known),
                );
            }
        }
    }
}
