mod axis;
mod buckets;
mod guards;
mod processes;
mod python;
mod settling;
mod support;
