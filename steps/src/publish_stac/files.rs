//! Files of the catalog: whole or not at all, and left alone where nothing changed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// What a collection is made of.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) id: String,
    pub(super) collection: Value,
    pub(super) thumbnail: Option<Vec<u8>>,
}

/// The file of a picture, beside `collection.json`.
pub(super) const THUMBNAIL: &str = "thumbnail.png";

/// What the catalog says of itself.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) id: String,
    pub(super) title: Option<String>,
}

/// The folder of a collection.
pub(super) fn folder(catalog: &Path, id: &str) -> PathBuf {
    catalog.join("collections").join(id)
}

/// Writes collections, then the catalog that lists them and those of other pipelines that are
/// there already. One writer at a time, or the catalog could miss what another one just wrote.
///
/// # Errors
/// When a file cannot be read or written; the message names it.
pub(super) fn publish(catalog: &Path, about: &About, collections: &[Published]) -> io::Result<usize> {
    fs::create_dir_all(catalog).map_err(named(catalog))?;
    let path = catalog.join(".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(named(&path))?;
    lock.lock().map_err(named(&path))?;
    let mut changed = 0;
    for published in collections {
        let folder = folder(catalog, &published.id);
        fs::create_dir_all(&folder).map_err(named(&folder))?;
        if let Some(thumbnail) = &published.thumbnail {
            changed += usize::from(write(&folder.join(THUMBNAIL), thumbnail)?);
        }
        changed += usize::from(write(&folder.join("collection.json"), &pretty(&published.collection)?)?);
    }
    changed += usize::from(write(&catalog.join("catalog.json"), &pretty(&list(catalog, about)?)?)?);
    Ok(changed)
}

/// The catalog of all collections that are there, by name.
fn list(catalog: &Path, about: &About) -> io::Result<Value> {
    let mut links = vec![
        json!({ "rel": "root", "href": "./catalog.json", "type": "application/json" }),
        json!({ "rel": "self", "href": "./catalog.json", "type": "application/json" }),
    ];
    let folder = catalog.join("collections");
    let mut names = Vec::new();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(named(&folder)(error)),
    };
    for entry in entries.into_iter().flatten() {
        names.push(entry.map_err(named(&folder))?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    for name in names {
        let path = folder.join(&name).join("collection.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(named(&path)(error)),
        };
        let collection: Value =
            serde_json::from_slice(&text).map_err(io::Error::from).map_err(named(&path))?;
        let mut link = json!({
            "rel": "child",
            "href": format!("./collections/{name}/collection.json"),
            "type": "application/json",
        });
        if let Some(title) = collection.get("title") {
            link["title"] = title.clone();
        }
        links.push(link);
    }
    let title = about.title.clone().unwrap_or_else(|| about.id.clone());
    Ok(json!({
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": about.id,
        "title": title,
        "description": format!("Data cubes of {title}."),
        "links": links,
    }))
}

/// Puts `content` at `path` by a rename, unless it is there; whether it was not.
fn write(path: &Path, content: &[u8]) -> io::Result<bool> {
    match fs::read(path) {
        Ok(there) if there == content => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(named(path)(error)),
    }
    // Under the lock nobody else writes here; what a killed run left is overwritten.
    let beside = path.with_extension("part");
    let mut file = File::create(&beside).map_err(named(&beside))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(named(&beside))?;
    fs::rename(&beside, path).map_err(named(path))?;
    Ok(true)
}

fn pretty(value: &Value) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// `target` as seen from the folder `from`; both absolute. A URL stays as it is.
pub(super) fn relative(from: &Path, target: &str) -> String {
    let there = Path::new(target);
    if !there.is_absolute() {
        return target.to_owned();
    }
    let common = from.components().zip(there.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| "..".to_owned());
    let down = there.components().skip(common).map(|c| c.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(id: &str, title: &str) -> Published {
        let collection = json!({ "type": "Collection", "id": id, "title": title });
        Published { id: id.to_owned(), collection, thumbnail: Some(vec![1, 2]) }
    }

    #[test]
    fn collections_of_other_pipelines_stay_listed_and_nothing_is_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = folder.path().join("stac");
        let about = About { id: "p".to_owned(), title: None };
        assert_eq!(publish(&catalog, &about, &[published("b", "B")]).unwrap(), 3);
        assert_eq!(publish(&catalog, &about, &[published("a", "A")]).unwrap(), 3);
        let written = fs::metadata(catalog.join("catalog.json")).unwrap().modified().unwrap();
        assert_eq!(publish(&catalog, &about, &[published("a", "A"), published("b", "B")]).unwrap(), 0);
        assert_eq!(fs::metadata(catalog.join("catalog.json")).unwrap().modified().unwrap(), written);
        let list: Value = serde_json::from_slice(&fs::read(catalog.join("catalog.json")).unwrap()).unwrap();
        let links = list["links"].as_array().unwrap();
        let children: Vec<_> =
            links.iter().filter(|l| l["rel"] == "child").map(|l| l["title"].as_str().unwrap()).collect();
        assert_eq!(children, ["A", "B"]);
        let left: Vec<_> =
            fs::read_dir(catalog.join("collections/a")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_collection_that_cannot_be_read_is_not_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let about = About { id: "p".to_owned(), title: None };
        publish(folder.path(), &about, &[published("a", "A")]).unwrap();
        let before = fs::read(folder.path().join("catalog.json")).unwrap();
        fs::write(folder.path().join("collections/a/collection.json"), "{").unwrap();
        let error = publish(folder.path(), &about, &[]).unwrap_err().to_string();
        assert!(error.contains("collections/a/collection.json"), "{error}");
        assert_eq!(fs::read(folder.path().join("catalog.json")).unwrap(), before);
    }

    #[test]
    fn hrefs_are_relative_where_they_can_be() {
        let from = Path::new("/p/stac/collections/d");
        assert_eq!(relative(from, "/p/cubes/d"), "../../../cubes/d");
        assert_eq!(relative(from, "s3://bucket/d"), "s3://bucket/d");
    }
}
