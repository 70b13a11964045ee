mod axis;
mod buckets;
mod extra;
mod guards;
mod processes;
mod python;
mod settling;
mod support;
