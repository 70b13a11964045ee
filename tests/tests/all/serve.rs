//! `frazil serve`: what it answers over HTTP. Each file starts servers of its own with
//! `frazil_tests::serving::Serving`.

#[path = "serve/landing.rs"]
mod landing;
#[path = "serve/restarts.rs"]
mod restarts;
