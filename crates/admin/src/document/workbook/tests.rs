use std::io::{Cursor, Write};

use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

use super::*;
use crate::{
    document::{Document, Fault, text::from_value},
    error::Error,
};

fn fields(document: &Document, kind: Kind) -> Vec<Value> {
    let entries = document.section(kind).unwrap_or_default();
    let fields = entries.iter().map(|entry| entry.fields.clone());
    fields.map(Value::Object).collect()
}

fn faults(bytes: &[u8]) -> Vec<Fault> {
    match read(bytes) {
        Err(Error::Document(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

fn sheet(name: &str, rows: &[&[&str]]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(name).unwrap();
    for (row, cells) in (0..).zip(rows) {
        for (column, text) in (0..).zip(*cells) {
            sheet.write_string(row, column, *text).unwrap();
        }
    }
    workbook.save_to_buffer().unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let given = json!({
        "providers": [{"name": "p", "type": "openai", "enabled": false, "config": {
            "api_key": "env:K", "priority": -5, "headers": {"x": " _x0041_ "},
            "models": {"a.b": {"extra_body": {"n": null, "f": 0.1}}}}}],
        "models": [{"name": "007", "remark": "", "timeout": 30}, {"name": "m", "remark": "=1+1 \n größer 🚀"}],
        "associations": [{"model": "m", "provider": "p", "provider_model": "true", "image": true}],
        "policies": [{"model": "m", "strategy": "sticky", "connect_timeout": 0.25}],
        "prices": [{"model_pattern": "*", "input": "0.000000001", "source_date": "2026-01-31"}],
        "keys": [{"name": "k", "expires_at": "2030-01-02T03:04:05.123456Z", "metadata": {"a": [1, null]}}],
    });
    let document = from_value(given.clone()).unwrap();
    let (read, warnings) = read(&write(&document).unwrap()).unwrap();
    assert_eq!(warnings, []);
    for kind in Kind::ALL {
        assert_eq!(
            json!(fields(&read, kind)),
            given[kind.section()],
            "{kind:?}"
        );
    }
}

#[test]
fn the_template_is_read() {
    let (document, _) = read(&template().unwrap()).unwrap();
    assert_eq!(
        fields(&document, Kind::Provider)[0]["config"]["priority"],
        100
    );
    assert_eq!(fields(&document, Kind::Model).len(), 1);
    assert_eq!(fields(&document, Kind::Association)[0]["tool_call"], true);
}

#[test]
fn the_headers_and_words_of_older_workbooks_are_understood() {
    let rows: &[&[&str]] = &[
        &[
            "Model_Name",
            "provider name",
            "provider_model",
            "supports_tools",
            "supports_vision",
            "weight",
        ],
        &["m", "p", "up", "Yes", "0", " 7 "],
        &["", "", "", "", "", ""],
    ];
    let (document, _) = read(&sheet("associations", rows)).unwrap();
    let expected = json!({"model": "m", "provider": "p", "provider_model": "up", "tool_call": true,
        "image": false, "weight": 7});
    assert_eq!(fields(&document, Kind::Association), [expected]);
}

#[test]
fn a_fault_names_sheet_row_and_column() {
    let rows: &[&[&str]] = &[
        &["name", "timeout", "nonsense", "name", "more"],
        &["m", "soon"],
        &["m", "1", "", "", "[]"],
        &["m", "1", "", "", "", "stray"],
    ];
    let told = serde_json::to_value(faults(&sheet("Models", rows))).unwrap();
    let cells: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["row"].as_u64().unwrap(), fault["column"].clone()))
        .collect();
    assert_eq!(
        cells,
        [
            (1, json!("nonsense")),
            (1, json!("name")),
            (2, json!("timeout")),
            (3, json!("more")),
            (4, json!("more")),
        ]
    );
    assert_eq!(told[2]["sheet"], "Models");
}

#[test]
fn what_is_no_workbook_is_refused() {
    assert_eq!(faults(b"PK no").len(), 1);
    assert_eq!(faults(&sheet("Notes", &[&["a"]])).len(), 1);
}

#[test]
fn an_archive_that_grows_beyond_bounds_is_refused() {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("xl/workbook.xml", options).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..65 {
        archive.write_all(&zeros).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 1 << 20);
    let told = serde_json::to_value(faults(&bytes)).unwrap();
    assert!(
        told[0]["message"].as_str().unwrap().contains("64 MiB"),
        "{told}"
    );
}

#[test]
fn a_cell_far_out_takes_no_room() {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name("Models").unwrap();
    sheet.write_string(0, 0, "name").unwrap();
    sheet.write_string(1_048_575, 16_383, "far").unwrap();
    let told = faults(&workbook.save_to_buffer().unwrap());
    assert_eq!(told.len(), 1);
}
