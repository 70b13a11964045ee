//! The project as it stands now: files change while the server runs.

use std::sync::{Arc, PoisonError, RwLock};

use frazil_engine::{context::Secrets, project::Project};

/// A project and the secrets that it names: one state of its files.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    /// The checked project.
    pub(crate) project: Arc<Project>,
    /// Resolves secrets at the moment of use.
    pub(crate) secrets: Arc<dyn Secrets>,
}

/// The one handle by which all parts of the server read the project. What is taken from it stays as
/// it is: a run keeps the version that it began with.
#[derive(Debug)]
pub(crate) struct Live {
    now: RwLock<Current>,
}

impl Live {
    /// What was read when the server started.
    pub(crate) const fn new(project: Arc<Project>, secrets: Arc<dyn Secrets>) -> Self {
        Self { now: RwLock::new(Current { project, secrets }) }
    }

    /// The project with its secrets.
    pub(crate) fn current(&self) -> Current {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The project.
    pub(crate) fn project(&self) -> Arc<Project> {
        self.current().project
    }
}
