//! What people see: problems with excerpts, tables, progress.
