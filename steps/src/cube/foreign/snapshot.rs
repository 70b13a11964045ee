//! One state of an Icechunk repository, as the objects of a store.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use async_trait::async_trait;
use bytes::Bytes;
use frazil_engine::step::{ErrorKind, StepError};
use icechunk::{
    Repository,
    repository::{RepositoryErrorKind, VersionInfo},
    session::Session,
    storage::{self, S3Credentials, S3Options, S3StaticCredentials},
};
use serde_json::Value;

use super::objects::{Encoded, Objects};
use crate::cube::{chunk::fetched, fault, read, repo};

/// Where a repository is.
#[derive(Debug, Clone)]
pub(crate) enum Root {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket, below a prefix.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The prefix.
        prefix: String,
        /// The service, and who asks.
        service: Service,
    },
    /// Static files of a web server.
    Http {
        /// Its URL.
        url: String,
        /// Headers of requests, secrets in them.
        headers: HashMap<String, String>,
    },
}

/// A service of buckets.
#[derive(Clone, Default)]
pub(crate) struct Service {
    /// Where it is; Amazon where none is said.
    pub(crate) endpoint: Option<String>,
    /// Region of the bucket.
    pub(crate) region: Option<String>,
    /// No credentials are sent.
    pub(crate) anonymous: bool,
    /// The access key and the secret key; from the environment where none are said.
    pub(crate) keys: Option<(String, String)>,
    /// The session token.
    pub(crate) token: Option<String>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({:?}, {:?})", self.endpoint, self.region)
    }
}

/// Which state is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Version {
    /// The head of a branch, as it is when the repository is opened.
    Branch(String),
    /// A tag.
    Tag(String),
    /// A snapshot by its id.
    Snapshot(String),
}

/// One state of a repository.
#[derive(Debug)]
pub(crate) struct Snapshot {
    session: Session,
    nodes: BTreeMap<String, Value>,
    id: String,
    what: String,
}

impl Snapshot {
    /// Opens a state of the repository that errors call `place`. None where there is provably no
    /// repository. Looking creates nothing.
    ///
    /// # Errors
    /// When it cannot be read, or has no such state.
    pub(crate) async fn open(root: Root, place: &str, version: &Version) -> Result<Option<Self>, StepError> {
        let what = format!("cannot read the repository {place}");
        if let Root::Folder(path) = &root
            && !tokio::fs::try_exists(path).await.is_ok_and(|there| there)
        {
            return Ok(None);
        }
        let opened = Repository::open(connected(root, &what).await?).config(repo::reading()).execute().await;
        let repository = match opened {
            Ok(repository) => repository,
            Err(error) if matches!(error.kind, RepositoryErrorKind::RepositoryDoesntExist) => {
                return Ok(None);
            }
            Err(error) => return Err(fault::store(&what, &error.kind)),
        };
        let id = match version {
            Version::Branch(name) => repository.lookup_branch(name).await,
            Version::Tag(name) => repository.lookup_tag(name).await,
            Version::Snapshot(text) => {
                let parsed = icechunk::format::SnapshotId::try_from(text.as_str());
                Ok(parsed.map_err(|_| wrong(format!("{place}: `{text}` is no id of a snapshot")))?)
            }
        };
        let id = id.map_err(|error| missing(fault::store(&what, &error.kind), version))?;
        let session = repository.readonly_session(&VersionInfo::SnapshotId(id.clone())).await;
        let session = session.map_err(|error| missing(fault::store(&what, &error.kind), version))?;
        let nodes = read::nodes(&session, &what).await?;
        Ok(Some(Self { session, nodes, id: id.to_string(), what }))
    }

    /// The id of the snapshot.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

fn wrong(message: String) -> StepError {
    StepError::permanent(ErrorKind::Data, message)
}

fn missing(error: StepError, version: &Version) -> StepError {
    match version {
        Version::Branch(name) => error.help(format!("look whether it has a branch `{name}`")),
        Version::Tag(name) => error.help(format!("look whether it has a tag `{name}`")),
        Version::Snapshot(id) => {
            error.help(format!("look whether it still has the snapshot {id}: old ones expire"))
        }
    }
}

async fn connected(
    root: Root,
    what: &str,
) -> Result<std::sync::Arc<dyn icechunk::Storage + Send + Sync>, StepError> {
    match root {
        Root::Folder(path) => storage::new_local_filesystem_storage(&path).await,
        Root::Http { url, headers } => storage::new_http_storage(&url, None, Some(headers)),
        Root::Bucket { bucket, prefix, service } => {
            let mut options = S3Options::default();
            options.region = Some(service.region.unwrap_or_else(|| "us-east-1".to_owned()));
            options.allow_http = service.endpoint.as_deref().is_some_and(|e| e.starts_with("http://"));
            options.force_path_style = service.endpoint.is_some();
            options.endpoint_url = service.endpoint;
            options.anonymous = service.anonymous;
            let credentials = match service.keys {
                _ if service.anonymous => S3Credentials::Anonymous,
                Some((access_key_id, secret_access_key)) => S3Credentials::Static(S3StaticCredentials {
                    access_key_id,
                    secret_access_key,
                    session_token: service.token,
                    expires_after: None,
                }),
                None => S3Credentials::FromEnv,
            };
            let (prefix, none) = (Some(prefix), Vec::new());
            storage::new_s3_object_store_storage(options, bucket, prefix, Some(credentials), none, Vec::new())
                .await
        }
    }
    .map_err(fault::icechunk(what))
}

#[async_trait]
impl Objects for Snapshot {
    async fn document(&self, key: &str) -> Result<Option<Bytes>, StepError> {
        let Some(node) = key.strip_suffix("zarr.json") else { return Ok(None) };
        let path = format!("/{}", node.trim_end_matches('/'));
        Ok(self.nodes.get(&path).map(|document| document.to_string().into()))
    }

    async fn members(&self) -> Result<Option<Vec<String>>, StepError> {
        Ok(Some(self.nodes.keys().map(|path| path.trim_start_matches('/').to_owned()).collect()))
    }

    async fn chunk(&self, name: &str, _: &str, at: &[usize]) -> Result<Option<Encoded>, StepError> {
        let bytes = fetched(&self.session, &format!("/{name}"), at, &self.what).await?;
        Ok(bytes.map(Encoded::Here))
    }
}
