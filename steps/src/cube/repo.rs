use std::{
    io,
    num::NonZeroU16,
    path::{Path, PathBuf},
    sync::Arc,
};

use frazil_engine::{
    context::{Scope, Secret},
    data::{Snapshot, SnapshotId},
    dataset::{DatasetInfo, Location},
    step::{ErrorKind, StepError},
};
use icechunk::{
    Repository, RepositoryConfig, Storage,
    config::{
        ManifestConfig, ManifestPreloadConfig, ManifestSplitCondition, ManifestSplitDim,
        ManifestSplitDimCondition, ManifestSplittingConfig,
    },
    format::format_constants::SpecVersionBin,
    repository::RepositoryErrorKind,
    storage::{self, RetriesSettings, S3Credentials, S3Options, S3StaticCredentials, Settings},
};
use url::Url;

use super::{fault, line, selftest};

/// The branch that everyone reads.
pub(super) const MAIN: &str = "main";

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder.
    Local(PathBuf),
    /// A bucket and a prefix in it.
    S3 { bucket: String, prefix: String },
    /// Read only.
    Http(String),
}

impl Place {
    /// Takes the location of a dataset apart.
    pub(super) fn of(location: &Location) -> Result<Self, StepError> {
        let bad = |message: String| {
            Err(StepError::permanent(ErrorKind::Store, message)
                .help("use a path, s3://bucket/prefix, or for reading http(s)://"))
        };
        if let Some(path) = location.url.strip_prefix("file://") {
            return Ok(Self::Local(PathBuf::from(path)));
        }
        let Ok(url) = Url::parse(&location.url) else {
            return Ok(Self::Local(PathBuf::from(&location.url)));
        };
        match url.scheme() {
            "s3" => match (url.host_str(), url.path().trim_matches('/')) {
                (Some(bucket), prefix) if !prefix.is_empty() => {
                    Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
                }
                _ => bad(format!("`{}` names no bucket and prefix", location.url)),
            },
            "http" | "https" => Ok(Self::Http(location.url.clone())),
            // A drive letter or a name with a colon in it: a path all the same.
            _ if !location.url.contains("://") => Ok(Self::Local(PathBuf::from(&location.url))),
            scheme => bad(format!("stores of scheme `{scheme}` are not known")),
        }
    }
}

/// The storage of a place; nothing is created and, but for secrets, nothing is looked up.
pub(super) async fn storage(
    place: &Place,
    location: &Location,
    scope: &Scope,
) -> Result<Arc<dyn Storage + Send + Sync>, StepError> {
    let what = format!("cannot open the store {}", location.url);
    match place {
        Place::Local(path) => {
            storage::new_local_filesystem_storage(path).await.map_err(fault::icechunk(&what))
        }
        Place::Http(url) => storage::new_http_storage(url, None, None).map_err(fault::icechunk(&what)),
        Place::S3 { bucket, prefix } => {
            let (options, credentials) = s3(location, scope)?;
            storage::new_s3_object_store_storage(
                options,
                bucket.clone(),
                Some(prefix.clone()),
                Some(credentials),
                Vec::new(),
                Vec::new(),
            )
            .await
            .map_err(fault::icechunk(&what))
        }
    }
}

pub(super) fn s3(location: &Location, scope: &Scope) -> Result<(S3Options, S3Credentials), StepError> {
    let from = &location.options;
    let mut options = S3Options::default();
    options.region = Some(from.region.clone().unwrap_or_else(|| "us-east-1".to_owned()));
    options.endpoint_url.clone_from(&from.endpoint);
    options.anonymous = from.anonymous;
    options.allow_http = from.endpoint.as_deref().is_some_and(|e| e.starts_with("http://"));
    options.force_path_style = from.path_style;
    let secret = |name: &Option<String>| -> Result<Option<Secret>, StepError> {
        name.as_deref().map(|name| scope.secrets.get(name)).transpose()
    };
    let credentials = match (secret(&from.access_key)?, secret(&from.secret_key)?) {
        _ if from.anonymous => S3Credentials::Anonymous,
        (Some(key), Some(secret_key)) => S3Credentials::Static(S3StaticCredentials {
            access_key_id: key.expose().to_owned(),
            secret_access_key: secret_key.expose().to_owned(),
            session_token: secret(&from.session_token)?.map(|t| t.expose().to_owned()),
            expires_after: None,
        }),
        (None, None) => S3Credentials::FromEnv,
        _ => {
            return Err(StepError::permanent(
                ErrorKind::Credentials,
                format!("the store {} has one of access-key and secret-key, not both", location.url),
            ));
        }
    };
    Ok((options, credentials))
}

/// Opens a repository. None only where there is provably none; looking creates nothing.
pub(super) async fn open(info: &DatasetInfo, scope: &Scope) -> Result<Option<Repository>, StepError> {
    let place = Place::of(&info.location)?;
    loop {
        if let Place::Local(path) = &place
            && !is_there(path).await?
        {
            return Ok(None);
        }
        let storage = storage(&place, &info.location, scope).await?;
        let error = match Repository::open(storage).config(reading()).execute().await {
            Ok(repository) => return Ok(Some(repository)),
            Err(error) => error,
        };
        if !matches!(error.kind, RepositoryErrorKind::RepositoryDoesntExist) {
            return Err(redacted(fault::store(&unreadable(info), &error.kind), scope));
        }
        let Place::Local(path) = &place else { return Ok(None) };
        if only_begun(path) {
            return Ok(None);
        }
        // Once, and before the entry is looked for: a creation writes the entry before anything else
        // that is not of a creation, so what lies there without one was not created a moment ago.
        if !path.join("repo").exists() {
            return Err(headless(path));
        }
    }
}

fn headless(path: &Path) -> StepError {
    let message = format!("{} holds files but no repository", path.display());
    StepError::permanent(ErrorKind::Store, message)
        .help("its entry `repo` is missing: restore it, or move the folder away to begin anew")
}

/// Opens a repository for writing and creates it where there is none. `config` is persisted then.
pub(super) async fn open_or_create(
    info: &DatasetInfo,
    scope: &Scope,
    config: RepositoryConfig,
) -> Result<Repository, StepError> {
    if let Some(repository) = open(info, scope).await? {
        return Ok(repository);
    }
    let place = Place::of(&info.location)?;
    selftest::ensure(&place, info, scope).await?;
    let what = format!("cannot create the repository {}", info.location.url);
    let storage = storage(&place, &info.location, scope).await?;
    let spec = if info.block.spec == 1 { SpecVersionBin::V1 } else { SpecVersionBin::V2 };
    let created = Repository::create(storage)
        .spec_version(spec)
        // What an interrupted creation left behind is written again; `open` has seen that
        // there is nothing else.
        .check_clean_root(!matches!(place, Place::Local(_)))
        .config(config)
        .execute()
        .await;
    match created {
        Ok(_) => {}
        // Another writer was first: then there is one to open.
        Err(error) => match open(info, scope).await? {
            Some(repository) => return Ok(repository),
            None => return Err(redacted(fault::store(&what, &error.kind), scope)),
        },
    }
    open(info, scope)
        .await?
        .ok_or_else(|| StepError::permanent(ErrorKind::Store, format!("{what}: it is not there afterwards")))
}

/// What is persisted in a new repository: manifests split along `time`, so that an append
/// rewrites the references of one stretch and not of all that came before.
pub(super) fn creation(chunks_per_manifest: u32) -> RepositoryConfig {
    let by_time = ManifestSplitDim {
        condition: ManifestSplitDimCondition::DimensionName("time".to_owned()),
        num_chunks: chunks_per_manifest,
    };
    RepositoryConfig {
        manifest: Some(ManifestConfig {
            splitting: Some(ManifestSplittingConfig {
                split_sizes: Some(vec![(ManifestSplitCondition::AnyArray, vec![by_time])]),
            }),
            ..ManifestConfig::default()
        }),
        ..RepositoryConfig::default()
    }
}

/// How a repository is opened: without reading manifests ahead in tasks of its own, and with an
/// answer within seconds when the store cannot be reached: whoever called tries again later.
pub(super) fn reading() -> RepositoryConfig {
    let retries = RetriesSettings {
        max_tries: NonZeroU16::new(4),
        initial_backoff_ms: Some(100),
        max_backoff_ms: Some(2_000),
    };
    let preload =
        ManifestPreloadConfig { max_total_refs: Some(0), preload_if: None, max_arrays_to_scan: Some(0) };
    RepositoryConfig {
        manifest: Some(ManifestConfig { preload: Some(preload), ..ManifestConfig::default() }),
        storage: Some(Settings { retries: Some(retries), ..Settings::default() }),
        ..RepositoryConfig::default()
    }
}

/// The head of `main`; none while there is only the initial snapshot.
pub(super) async fn head(
    repository: &Repository,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<Option<icechunk::format::SnapshotId>, StepError> {
    let id = tip(repository, MAIN, info, scope).await?;
    Ok((id != icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID).then_some(id))
}

/// The last commit of a branch that is there.
pub(super) async fn tip(
    repository: &Repository,
    branch: &str,
    info: &DatasetInfo,
    scope: &Scope,
) -> Result<icechunk::format::SnapshotId, StepError> {
    let tip = repository.lookup_branch(branch).await;
    tip.map_err(|error| redacted(fault::store(&unreadable(info), &error.kind), scope))
}

/// What is said when a repository cannot be read.
pub(super) fn unreadable(info: &DatasetInfo) -> String {
    format!("cannot read the repository of {} at {}", info.id, info.location.url)
}

/// The document of a state of a dataset; `base` is the state itself.
#[must_use]
pub fn snapshot(info: &DatasetInfo, id: Option<SnapshotId>) -> Snapshot {
    Snapshot {
        dataset: info.id.clone(),
        repository: info.location.url.clone(),
        branch: MAIN.to_owned(),
        base: id.clone(),
        id,
    }
}

/// The same of what its writers see: the branch that they work on.
#[must_use]
pub fn written(info: &DatasetInfo, id: Option<SnapshotId>) -> Snapshot {
    Snapshot { branch: line::of(info).to_owned(), ..snapshot(info, id) }
}

/// Secrets in the texts of other libraries do not show.
pub(super) fn redacted(mut error: StepError, scope: &Scope) -> StepError {
    if let Some(failure) = error.failure_mut() {
        failure.message = scope.secrets.redact(&failure.message);
    }
    error
}

/// Whether a folder is there and holds anything. What cannot be looked at is an error.
async fn is_there(path: &Path) -> Result<bool, StepError> {
    let path = path.to_owned();
    let looked = tokio::task::spawn_blocking(move || match std::fs::read_dir(&path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(false),
            Some(entry) => entry.map(|_| true).map_err(|e| (path, e)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err((path, error)),
    })
    .await;
    match looked {
        Ok(Ok(found)) => Ok(found),
        Ok(Err((path, error))) => Err(StepError::permanent(
            ErrorKind::Store,
            format!("cannot look into {}: {error}", path.display()),
        )),
        Err(_) => Err(StepError::Cancelled),
    }
}

/// Whether a folder without its entry holds only what a creation writes before the entry.
fn only_begun(path: &Path) -> bool {
    let initial = icechunk::format::snapshot::Snapshot::INITIAL_SNAPSHOT_ID.to_string();
    let only = |name: &str, allowed: &dyn Fn(&str) -> bool| {
        std::fs::read_dir(path.join(name)).is_ok_and(|mut entries| {
            entries.all(|e| e.is_ok_and(|e| e.file_name().to_str().is_some_and(allowed)))
        })
    };
    let is_initial = |name: &str| name.starts_with(initial.as_str());
    std::fs::read_dir(path).is_ok_and(|mut entries| {
        entries.all(|entry| {
            entry.is_ok_and(|entry| match entry.file_name().to_str() {
                Some(name @ ("snapshots" | "transactions")) => only(name, &is_initial),
                // The entry on its way, under the name that it has until it is whole.
                Some(name) => name.starts_with("repo#"),
                None => false,
            })
        })
    })
}
