//! A project with triggers on a clock and a runner that the tests hold.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use frazil_engine::project::{LoadOptions, Watched};

use super::super::*;

/// What was started, as a runner keeps it: a key is one run.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) runs: Mutex<Vec<(Submission, RunId)>>,
    pub(super) keys: Mutex<HashMap<String, RunId>>,
    /// So many of the first are begun.
    pub(super) begun: Mutex<usize>,
    pub(super) changes: broadcast::Sender<Arc<Change>>,
    /// So many are refused first, as the queue is full.
    pub(super) full: Mutex<usize>,
    /// Dies after so many: what is started is durable, and nobody hears of it.
    pub(super) left: Mutex<Option<usize>>,
}

impl Book {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            runs: Mutex::default(),
            keys: Mutex::default(),
            begun: Mutex::default(),
            changes: broadcast::Sender::new(1),
            full: Mutex::new(0),
            left: Mutex::new(None),
        })
    }

    pub(super) fn runs(&self) -> Vec<Submission> {
        self.runs.lock().unwrap().iter().map(|(asked, _)| asked.clone()).collect()
    }

    pub(super) fn instants(&self, pipeline: &str) -> Vec<DateTime<Utc>> {
        let runs = self.runs();
        runs.iter().filter(|run| run.pipeline.as_str() == pipeline).map(|run| run.instant).collect()
    }

    /// All that wait begin.
    pub(super) fn begin(&self) {
        *self.begun.lock().unwrap() = self.runs().len();
    }

    pub(super) fn dies_after(&self, left: usize) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
    }
}

#[async_trait]
impl Starter for Book {
    async fn start(&self, asked: Submission) -> Result<RunId, Refusal> {
        {
            let mut full = self.full.lock().unwrap();
            if *full > 0 {
                *full -= 1;
                return Err(Refusal::Full { limit: 1 });
            }
        }
        let name = asked.key.as_ref().map(|key| key.name.clone());
        let run = {
            let (mut keys, mut runs) = (self.keys.lock().unwrap(), self.runs.lock().unwrap());
            let id: RunId = format!("r{}", runs.len()).parse().unwrap();
            if let Some(known) = name.as_ref().and_then(|name| keys.get(name)) {
                known.clone()
            } else {
                keys.extend(name.map(|name| (name, id.clone())));
                runs.push((asked, id.clone()));
                id
            }
        };
        let dies = {
            let mut left = self.left.lock().unwrap();
            let dies = *left == Some(0);
            *left = left.map(|left| left.saturating_sub(1));
            dies
        };
        if dies { std::future::pending().await } else { Ok(run) }
    }

    async fn waiting(&self, pipeline: &PipelineId) -> Result<Vec<Waiting>, StepError> {
        let (runs, begun) = (self.runs(), *self.begun.lock().unwrap());
        let waiting = runs[begun..].iter().filter(|run| run.pipeline == *pipeline);
        Ok(waiting.map(|run| (run.instant, run.params.clone())).collect())
    }

    async fn started(&self, pipeline: &PipelineId, cause: &Cause) -> Result<bool, StepError> {
        let runs = self.runs();
        Ok(runs.iter().rfind(|run| run.pipeline == *pipeline).is_some_and(|run| run.cause == *cause))
    }

    fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.changes.subscribe()
    }

    async fn is_over(&self, _: &RunId) -> bool {
        false
    }
}

/// A clock of which each look is one that the test wrote down; then it stands still.
#[derive(Debug)]
pub(super) struct Scripted(pub(super) Mutex<Vec<DateTime<Utc>>>, pub(super) CancellationToken);

#[async_trait]
impl Clock for Scripted {
    fn now(&self) -> DateTime<Utc> {
        self.0.lock().unwrap().last().copied().unwrap()
    }

    async fn sleep(&self, _: Duration) {
        {
            let mut looks = self.0.lock().unwrap();
            if looks.len() > 1 {
                looks.pop();
            } else {
                self.1.cancel();
            }
        }
        tokio::task::yield_now().await;
    }
}

pub(super) fn pipeline(id: &str, triggers: &str) -> String {
    format!(
        "frazil: 1\nid: {id}\ndatasets:\n  {id}_daily:\n    title: Rain\n    time: {{ step: P1D }}\n    variables: {{ precip: {{ units: mm, \
         standard-name: lwe_thickness_of_precipitation_amount, cell: total, dtype: float32 }} }}\ntriggers:\n{triggers}steps:\n  missing: {{ uses: \
         enumerate-periods, with: {{ dataset: {id}_daily, start: \"2024-01-01\" }} }}\n  slices: {{ uses: fetch, needs: missing, with: \
         {{ source: cog, url: \"https://example.org/{{{{ period }}}}.tif\" }} }}\n  daily: {{ uses: append-commit, needs: slices, with: {{ dataset: {id}_daily }} }}\n"
    )
}

/// A project with triggers of some pipelines.
pub(super) struct Stage {
    pub(super) folder: tempfile::TempDir,
    pub(super) book: Arc<Book>,
}

impl Stage {
    pub(super) fn new(pipelines: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("frazil.yaml"), "frazil: 1\n").unwrap();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        std::fs::create_dir(folder.path().join(".frazil")).unwrap();
        let stage = Self { folder, book: Book::new() };
        for (id, triggers) in pipelines {
            stage.write(id, triggers);
        }
        stage
    }

    pub(super) fn write(&self, id: &str, triggers: &str) {
        let path = self.folder.path().join(format!("pipelines/{id}.yaml"));
        std::fs::write(path, pipeline(id, triggers)).unwrap();
    }

    /// The state cannot be read or written until it is told otherwise.
    pub(super) fn breaks(&self, broken: bool) {
        let (state, aside) = (self.folder.path().join(".frazil"), self.folder.path().join("aside"));
        if broken {
            std::fs::rename(&state, aside).unwrap();
            std::fs::write(state, "in the way").unwrap();
        } else {
            std::fs::remove_file(&state).unwrap();
            std::fs::rename(aside, state).unwrap();
        }
    }

    pub(super) fn live(&self) -> Arc<Live> {
        let options = LoadOptions { folder: self.folder.path().to_owned(), ..LoadOptions::default() };
        let files = Watched::open(options, Arc::new(frazil_steps::registry()));
        Arc::new(Live::over(files.unwrap_or_else(|checked| panic!("{:#?}", checked.problems))))
    }

    pub(super) fn triggers(&self, clock: Arc<dyn Clock>) -> Triggers {
        let state = self.folder.path().join(".frazil");
        let starter = Arc::clone(&self.book) as Arc<dyn Starter>;
        Triggers { live: self.live(), starter, seen: Seen::in_folder(&state), clock, metrics: Arc::default() }
    }

    /// A server at work while the clock shows these instants, one at each look.
    pub(super) async fn serve(&self, looks: &[DateTime<Utc>]) {
        let stop = CancellationToken::new();
        let script = looks.iter().rev().copied().collect();
        let triggers = self.triggers(Arc::new(Scripted(Mutex::new(script), stop.clone())));
        tokio::select! {
            () = stop.cancelled() => {}
            () = cron::work(&triggers) => {}
        }
    }
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
