use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use frazil_engine::step::{ErrorKind, StepError};
use futures::StreamExt;
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use reqwest::header::HeaderValue;
use tokio::io::AsyncWriteExt;

use super::{Extent, FILE_AT_MOST, FileState, Net, Part, Place, S3, access::render};
use crate::net::Auth;

/// How long it may take until a connection stands.
const CONNECT: Duration = Duration::from_secs(30);

/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("frazil/", env!("CARGO_PKG_VERSION")));

/// Clients of buckets, one each.
pub(super) type Buckets = Mutex<BTreeMap<String, Arc<AmazonS3>>>;

impl Net {
    fn bucket(&self, name: &str) -> Result<Arc<AmazonS3>, StepError> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(name) {
            return Ok(Arc::clone(bucket));
        }
        let settings = match &self.access.auth {
            Some(Auth::S3(s3)) => s3.clone(),
            _ => S3::default(),
        };
        // A source file has its own retries and its own time: what is retried below would multiply
        // with them, and a limit per request would end every download that takes longer.
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(name)
            .with_client_options(
                ClientOptions::new()
                    .with_timeout_disabled()
                    .with_connect_timeout(CONNECT)
                    .with_user_agent(AGENT),
            )
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_skip_signature(settings.anonymous);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        }
        if let Some(key) = &settings.access_key {
            builder = builder.with_access_key_id(render(key, &self.scope)?);
        }
        if let Some(key) = &settings.secret_key {
            builder = builder.with_secret_access_key(render(key, &self.scope)?);
        }
        if let Some(token) = &settings.session_token {
            builder = builder.with_token(render(token, &self.scope)?);
        }
        let bucket = builder.build().map_err(|error| {
            self.permanent(ErrorKind::Credentials, format!("the bucket {name} cannot be used: {error}"))
        })?;
        Ok(Arc::clone(buckets.entry(name.to_owned()).or_insert(Arc::new(bucket))))
    }

    async fn object(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
        options: GetOptions,
    ) -> Result<Option<object_store::GetResult>, StepError> {
        let path = object_store::path::Path::parse(key)
            .map_err(|error| self.permanent(ErrorKind::Data, format!("{place}: {error}")))?;
        match self.bucket(bucket)?.get_opts(&path, options).await {
            Ok(result) => Ok(Some(result)),
            // A bucket that is not there is no source that has nothing new.
            Err(error @ object_store::Error::NotFound { .. })
                if error.to_string().contains("NoSuchBucket") =>
            {
                Err(self.permanent(ErrorKind::Network, format!("{place}: there is no bucket `{bucket}`")))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.object_failed(place, &error)),
        }
    }

    fn object_failed(&self, place: &Place, error: &object_store::Error) -> StepError {
        use object_store::Error;
        let text = format!("{place}: {error}");
        match error {
            Error::Unauthenticated { .. } | Error::PermissionDenied { .. } => {
                self.permanent(ErrorKind::Credentials, text).help(
                    "look at `auth: { s3: … }` and at the key; a bucket that is open to all is read with `anonymous: true`",
                )
            }
            // Not supported: something else than the bucket answered, or it ignored a range.
            Error::Generic { .. } | Error::JoinError { .. } | Error::NotSupported { .. } => {
                self.transient(text)
            }
            _ => self.permanent(ErrorKind::Network, text),
        }
    }

    pub(super) async fn object_part(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
        extent: &Extent,
    ) -> Result<Option<Part>, StepError> {
        let range = match extent {
            Extent::Range(range) => GetRange::Bounded(range.clone()),
            Extent::Tail(length) => GetRange::Suffix(*length),
        };
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let Some(result) = self.object(place, bucket, key, options).await? else { return Ok(None) };
        let (size, tag, start) = (result.meta.size, result.meta.e_tag.clone(), result.range.start);
        let bytes = result.bytes().await.map_err(|error| self.object_failed(place, &error))?;
        let range = extent.of(size);
        if start != range.start || bytes.len() as u64 != range.end.saturating_sub(start) {
            return Err(self.transient(format!("{place}: truncated: {} bytes came", bytes.len())));
        }
        Ok(Some(Part { start, bytes, size, tag }))
    }

    pub(super) async fn object_exists(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
    ) -> Result<bool, StepError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        Ok(self.object(place, bucket, key, options).await?.is_some())
    }

    pub(super) async fn object_size(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
    ) -> Result<Option<u64>, StepError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        Ok(self.object(place, bucket, key, options).await?.map(|found| found.meta.size))
    }

    pub(super) async fn object_state(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
    ) -> Result<Option<FileState>, StepError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.object(place, bucket, key, options).await?;
        Ok(found.map(|found| FileState {
            etag: found.meta.e_tag,
            modified: Some(found.meta.last_modified.to_rfc3339()),
            size: Some(found.meta.size),
            snapshot: None,
        }))
    }

    pub(super) async fn object_download(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
        to: &Path,
    ) -> Result<Option<u64>, StepError> {
        let Some(result) = self.object(place, bucket, key, GetOptions::default()).await? else {
            return Ok(None);
        };
        let size = result.meta.size;
        if size > FILE_AT_MOST {
            return Err(
                self.permanent(ErrorKind::Network, format!("{place} is larger than a source file may be"))
            );
        }
        let written = |error: std::io::Error| {
            StepError::permanent(ErrorKind::Store, format!("cannot write {}: {error}", to.display()))
        };
        let mut file = tokio::fs::File::create(to).await.map_err(written)?;
        let mut length = 0u64;
        let mut body = result.into_stream();
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| self.object_failed(place, &error))?;
            length += bytes.len() as u64;
            file.write_all(&bytes).await.map_err(written)?;
        }
        file.flush().await.map_err(written)?;
        if length != size {
            return Err(self.transient(format!("{place}: truncated: {length} of {size} bytes came")));
        }
        Ok(Some(length))
    }
}
