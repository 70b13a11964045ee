//! The variables of a period, put together from all files that hold parts of it.

use std::sync::Arc;

use frazil_engine::{
    data::{Dimensions, Field, Grid, Status, Values},
    step::{ErrorKind, StepError},
};

use super::source::{Piece, Request};

/// A period on its way: holds one period of all variables, and the part that is being put in.
#[derive(Debug)]
pub(crate) struct Assembly<'a> {
    extra: &'a Dimensions,
    grid: Option<Arc<Grid>>,
    status: Status,
    fields: Vec<Part>,
}

/// A variable, and how many of its planes are in.
#[derive(Debug)]
struct Part {
    field: Field,
    planes: usize,
}

fn wrong(request: &Request, what: &str, help: &str) -> StepError {
    request.wrong(what).help(help)
}

impl<'a> Assembly<'a> {
    /// Nothing yet, of a dataset with these dimensions between time and y.
    pub(crate) const fn new(extra: &'a Dimensions) -> Self {
        Self { extra, grid: None, status: Status::Final, fields: Vec::new() }
    }

    /// Adds what a file holds.
    ///
    /// # Errors
    /// When it lies on another grid, or its numbers are of another kind than those of the same
    /// variable in other files.
    pub(crate) fn add(&mut self, piece: Piece, request: &Request) -> Result<(), StepError> {
        match &self.grid {
            None => self.grid = Some(piece.grid),
            Some(grid) if *grid != piece.grid => return Err(other_grid(grid, &piece.grid, request)),
            Some(_) => {}
        }
        self.status = self.status.max(piece.status);
        for (wanted, field) in request.variables.iter().zip(piece.fields) {
            if self.extra.is_empty() {
                self.fields.push(Part { field, planes: 1 });
                continue;
            }
            self.plane(wanted.plane, field, request)?;
        }
        Ok(())
    }

    /// Puts the numbers of one combination where they belong.
    fn plane(&mut self, plane: usize, new: Field, request: &Request) -> Result<(), StepError> {
        let all = self.extra.combinations();
        let at = match self.fields.iter().position(|part| part.field.name == new.name) {
            Some(at) => at,
            None => {
                let values = Values::zeros(new.values.dtype(), new.values.len() * all);
                let field =
                    Field { name: new.name.clone(), values, fill: new.fill, units: new.units.clone() };
                self.fields.push(Part { field, planes: 0 });
                self.fields.len() - 1
            }
        };
        let Part { field, planes } = &mut self.fields[at];
        let other = |what: &str, one: &str, two: &str| {
            let message = format!("`{}` has the {what} {one} here, {two} in another combination", field.name);
            wrong(request, &message, &format!("declare `variables.{}`: dtype, nodata and fill", field.name))
        };
        let (new_type, old_type) = (new.values.dtype(), field.values.dtype());
        if new_type != old_type || new.values.len() * all != field.values.len() {
            return Err(other("type", new_type.name(), old_type.name()));
        }
        match (new.fill, field.fill) {
            (Some(new), Some(old)) if new.to_bits() != old.to_bits() => {
                return Err(other("fill", &new.to_string(), &old.to_string()));
            }
            (fill, old) => field.fill = old.or(fill),
        }
        if new.units != field.units {
            let said = |units: &Option<String>| units.clone().unwrap_or_else(|| "-".to_owned());
            return Err(other("unit", &said(&new.units), &said(&field.units)));
        }
        let bytes = new.values.bytes();
        field.values.bytes_mut()[plane * bytes.len()..][..bytes.len()].copy_from_slice(bytes);
        *planes += 1;
        Ok(())
    }

    /// The whole period; none when nothing was added.
    ///
    /// # Errors
    /// When a variable lacks a combination.
    pub(crate) fn finish(self) -> Result<Option<Piece>, StepError> {
        let Some(grid) = self.grid else { return Ok(None) };
        let all = self.extra.combinations();
        if let Some(part) = self.fields.iter().find(|part| part.planes != all) {
            let message = format!("`{}` was read for {} of {all} combinations", part.field.name, part.planes);
            return Err(StepError::permanent(ErrorKind::Internal, message));
        }
        let grid = if self.extra.is_empty() {
            grid
        } else {
            Arc::new(Grid { extra: self.extra.clone(), ..(*grid).clone() })
        };
        let fields = self.fields.into_iter().map(|part| part.field).collect();
        Ok(Some(Piece { grid, fields, status: self.status }))
    }
}

fn other_grid(grid: &Grid, other: &Grid, request: &Request) -> StepError {
    let ((rows, columns), (other_rows, other_columns)) = (grid.shape(), other.shape());
    wrong(
        request,
        &format!(
            "its grid ({other_rows} × {other_columns}) is not that of the other files of the period ({rows} × {columns})"
        ),
        "variables and combinations of one dataset lie on one grid: put them into datasets of their own",
    )
}
