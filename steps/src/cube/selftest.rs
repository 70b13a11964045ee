//! Whether an object store keeps two writers apart.
//!
//! Icechunk on an object store relies on conditional writes: of two commits on one head, one must
//! fail. A store that accepts the condition and ignores it loses commits without a word, so
//! before the first commit from this state to a bucket, two writers race for objects of their own.

use std::sync::Arc;

use frazil_engine::{
    context::Scope,
    dataset::DatasetInfo,
    step::{ErrorKind, StepError},
};
use icechunk::storage::S3Credentials;
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};

use super::{fault, repo, repo::Place};

/// Races of each kind: one may be won by chance of timing, several in a row not.
const RACES: usize = 3;

/// Tests the store of a dataset, once per state and bucket.
pub(super) async fn ensure(place: &Place, info: &DatasetInfo, scope: &Scope) -> Result<(), StepError> {
    let Place::S3 { bucket, prefix } = place else { return Ok(()) };
    let endpoint = info.location.options.endpoint.as_deref().unwrap_or_default();
    let name = blake3::hash(format!("{endpoint} {bucket}").as_bytes()).to_hex();
    let marker = scope.project.state.join("stores").join(&name[..16]);
    if tokio::fs::try_exists(&marker).await.unwrap_or(false) {
        return Ok(());
    }
    let what = format!("cannot test the store {}", info.location.url);
    let store = store(bucket, info, scope).map_err(|e| repo::redacted(e, scope))?;
    let folder = format!("{prefix}.frazil-selftest-{:016x}", rand::random::<u64>());
    let raced = race(&store, &folder).await;
    for number in 0..RACES {
        if let Err(error) = store.delete(&key(&folder, number)).await {
            tracing::warn!(%error, folder, "an object of the self-test was left behind");
        }
    }
    if !raced.map_err(|e| repo::redacted(fault::store(&what, &e), scope))? {
        return Err(StepError::permanent(
            ErrorKind::Store,
            format!("the store of {} let two writers both succeed: it would lose commits", info.location.url),
        )
        .help("use a store with conditional writes (If-None-Match and If-Match on PUT), or a local path"));
    }
    // Without the marker the test is made again: no reason to fail.
    let kept = async {
        if let Some(parent) = marker.parent() {
            tokio::fs::create_dir_all(parent).await?;
        }
        tokio::fs::write(&marker, format!("{endpoint} {bucket}\n")).await
    };
    if let Err(error) = kept.await {
        tracing::warn!(%error, "the result of the self-test was not kept");
    }
    Ok(())
}

fn key(folder: &str, number: usize) -> Path {
    Path::from(format!("{folder}/{number}"))
}

/// Whether of two writers always exactly one succeeds.
async fn race(store: &Arc<AmazonS3>, folder: &str) -> Result<bool, object_store::Error> {
    for number in 0..RACES {
        let key = key(folder, number);
        let put = |text: &'static str, mode: PutMode| {
            store.put_opts(&key, text.into(), PutOptions { mode, ..PutOptions::default() })
        };
        let both = futures::join!(put("one", PutMode::Create), put("two", PutMode::Create));
        let Some(first) = winner(both)? else { return Ok(false) };
        let version = || PutMode::Update(UpdateVersion { e_tag: first.e_tag.clone(), version: None });
        let both = futures::join!(put("three", version()), put("four", version()));
        if winner(both)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

type Put = Result<object_store::PutResult, object_store::Error>;

/// What the one of two that succeeded gave; none when both did, or neither.
fn winner(both: (Put, Put)) -> Result<Option<object_store::PutResult>, object_store::Error> {
    use object_store::Error::{AlreadyExists, NotImplemented, Precondition};
    match both {
        (Ok(_), Ok(_)) => Ok(None),
        (Ok(won), Err(AlreadyExists { .. } | Precondition { .. }))
        | (Err(AlreadyExists { .. } | Precondition { .. }), Ok(won)) => Ok(Some(won)),
        (Err(NotImplemented { .. }), _) | (_, Err(NotImplemented { .. })) => Ok(None),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

pub(super) fn store(bucket: &str, info: &DatasetInfo, scope: &Scope) -> Result<Arc<AmazonS3>, StepError> {
    let (options, credentials) = repo::s3(&info.location, scope)?;
    let mut builder = match &credentials {
        S3Credentials::FromEnv => AmazonS3Builder::from_env(),
        _ => AmazonS3Builder::new(),
    };
    builder = builder
        .with_bucket_name(bucket)
        .with_allow_http(options.allow_http)
        .with_virtual_hosted_style_request(!options.force_path_style)
        .with_skip_signature(options.anonymous);
    if let Some(region) = options.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = options.endpoint_url {
        builder = builder.with_endpoint(endpoint);
    }
    if let S3Credentials::Static(own) = credentials {
        builder = builder.with_access_key_id(own.access_key_id).with_secret_access_key(own.secret_access_key);
        if let Some(token) = own.session_token {
            builder = builder.with_token(token);
        }
    }
    let what = format!("cannot open the store {}", info.location.url);
    builder.build().map(Arc::new).map_err(|error| fault::store(&what, &error))
}
