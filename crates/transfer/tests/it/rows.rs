//! Every row of a database, whatever the engine.

use scratch::Scratch;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use transfer::Silent;

/// Every row of our tables, by table and primary key, in the words of a dump. The schema must be ours.
pub(crate) async fn rows(
    scratch: &Scratch,
) -> BTreeMap<String, BTreeMap<String, Map<String, Value>>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows");
    transfer::dump(scratch.url(), &file, &mut Silent)
        .await
        .unwrap();
    let mut tables = BTreeMap::new();
    let (mut table, mut columns, mut key) = (String::new(), Vec::new(), 0);
    for line in std::fs::read_to_string(file).unwrap().lines() {
        match serde_json::from_str(line).unwrap() {
            Value::Array(row) => {
                let id = row[key].to_string().trim_matches('"').to_owned();
                let names = columns.iter().cloned();
                let rows: &mut BTreeMap<_, _> = tables.get_mut(&table).unwrap();
                rows.insert(id, names.zip(row).collect());
            }
            mark => {
                let Some(name) = mark["table"].as_str() else {
                    continue;
                };
                name.clone_into(&mut table);
                columns = serde_json::from_value(mark["columns"].clone()).unwrap();
                let schema = migration::schema();
                let ours = schema.tables.iter().find(|it| it.name == table).unwrap();
                key = columns
                    .iter()
                    .position(|it| it == ours.primary_key)
                    .unwrap();
                tables.insert(table.clone(), BTreeMap::new());
            }
        }
    }
    tables
}
