//! Where an Icechunk repository is, and who asks.

use std::collections::HashMap;

use frazil_engine::{
    context::Scope,
    step::{ErrorKind, StepError},
    template::{Locals, Template},
};

use crate::{
    cube::foreign::{Root, Service},
    net::{Access, Auth, Place},
};

/// What opens the repository at `place`.
pub(super) fn root(place: &Place, access: &Access, scope: &Scope) -> Result<Root, StepError> {
    match place {
        Place::File(path) => Ok(Root::Folder(path.clone())),
        Place::Http(url) => {
            let mut headers = HashMap::new();
            for (name, value) in &access.headers(scope)? {
                let text = value.to_str().map_err(|_| {
                    let message = format!("the header `{name}` holds characters that cannot be sent");
                    StepError::permanent(ErrorKind::Credentials, message)
                })?;
                headers.insert(name.to_string(), text.to_owned());
            }
            Ok(Root::Http { url: url.to_string(), headers })
        }
        Place::S3 { bucket, key } => {
            let service = service(access, scope)?;
            Ok(Root::Bucket { bucket: bucket.clone(), prefix: key.trim_matches('/').to_owned(), service })
        }
    }
}

fn service(access: &Access, scope: &Scope) -> Result<Service, StepError> {
    let Some(Auth::S3(s3)) = &access.auth else { return Ok(Service::default()) };
    let text = |template: &Option<Template>| -> Result<Option<String>, StepError> {
        template.as_ref().map(|template| template.render(scope, &Locals::default())).transpose()
    };
    let keys = match (text(&s3.access_key)?, text(&s3.secret_key)?) {
        (Some(access), Some(secret)) => Some((access, secret)),
        (None, None) => None,
        _ => {
            let message = "`auth: { s3: … }` has one of access-key and secret-key, not both";
            return Err(StepError::permanent(ErrorKind::Credentials, message));
        }
    };
    Ok(Service {
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        anonymous: s3.anonymous,
        keys,
        token: text(&s3.session_token)?,
    })
}
