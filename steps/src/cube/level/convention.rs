//! The `multiscales` convention of Zarr (v0.1) in the attributes of the root.

use serde_json::{Map, Value, json};

use super::super::{attributes, template::Template};
use crate::downsample::Method;

/// The attribute of an array, of a level or of all of them that says how its cells were made.
pub(in crate::cube) const METHOD: &str = "resampling_method";

/// Says in the attributes of the root which levels there are; takes it out where there are none.
pub(in crate::cube) fn mark(template: &Template, map: &mut Map<String, Value>) {
    let name = "multiscales";
    let known = map.get("zarr_conventions").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut conventions: Vec<Value> = known.into_iter().filter(|c| c["name"] != name).collect();
    if template.levels.is_empty() {
        map.remove(name);
    } else {
        conventions.insert(0, attributes::convention(name, "d35379db-88df-4056-af3a-620245f8e347"));
        map.insert(name.to_owned(), multiscales(template));
    }
    if !conventions.is_empty() {
        map.insert("zarr_conventions".to_owned(), Value::Array(conventions));
    }
}

fn multiscales(template: &Template) -> Value {
    let mut data = json!({ "asset": template.group });
    attributes::place(&template.grid, &mut data);
    let mut layout = vec![data];
    let further = template.grid.extra.lengths().count();
    let whole = |time: f64, space: f64| -> Vec<f64> {
        std::iter::repeat_n(time, 1 + further).chain([space, space]).collect()
    };
    let mut from = &template.group;
    for level in &template.levels {
        let mut one = json!({
            "asset": level.group,
            "derived_from": from,
            "transform": { "scale": whole(1.0, 2.0), "translation": whole(0.0, 0.5) },
        });
        say(&mut one, &level.methods);
        attributes::place(&level.grid, &mut one);
        layout.push(one);
        from = &level.group;
    }
    let mut multiscales = json!({ "layout": layout });
    if let Some(level) = template.levels.first() {
        say(&mut multiscales, &level.methods);
    }
    multiscales
}

/// The method, where all variables have one.
fn say(value: &mut Value, methods: &[Method]) {
    if let [first, others @ ..] = methods
        && others.iter().all(|other| other == first)
    {
        value[METHOD] = json!(first.name());
    }
}
