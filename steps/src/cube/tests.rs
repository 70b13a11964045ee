mod guards;
mod settling;
mod support;
