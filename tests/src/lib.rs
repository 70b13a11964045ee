//! What the black-box tests share: where the programs are, where genuine data are, and a
//! Python that reads cubes with libraries we did not write.

pub mod geotiff;
pub mod moto;
pub mod programs;
pub mod rainfall;
pub mod sandbox;
pub mod server;
