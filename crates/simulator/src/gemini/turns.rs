//! The rules of a conversation's contents.

use serde_json::Value;

use super::error::ApiError;
use crate::seal;

const OF: &str = "GenerateContentRequest";

/// What a thought signature is made for.
const SIGNATURE: &str = "gemini-thought";

/// What the service takes in place of a signature that its caller does not have.
const SKIP: &str = "skip_thought_signature_validator";

/// The signature of a call, or of a text with an empty name.
pub(crate) fn signature(name: &str) -> String {
    seal::sign(SIGNATURE, name)
}

/// The parts of one content.
pub(crate) fn parts(content: &Value) -> &[Value] {
    content
        .get("parts")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The contents, each checked on its own and all of them as a conversation.
pub(crate) fn read<'a>(of: &str, request: &'a Value, model: &str) -> Result<&'a [Value], ApiError> {
    let contents = request.get("contents").and_then(Value::as_array);
    let contents = contents.map(Vec::as_slice).unwrap_or_default();
    if contents.is_empty() {
        return Err(ApiError::field(of, "contents", "contents is not specified"));
    }
    for (index, content) in contents.iter().enumerate() {
        check_content(&format!("contents[{index}]"), content)?;
    }
    check_functions(contents)?;
    check_signatures(contents, model)?;
    Ok(contents)
}

/// Refuses a content with a foreign role, or with parts that hold nothing.
pub(crate) fn check_content(at: &str, content: &Value) -> Result<(), ApiError> {
    let role = content.get("role").and_then(Value::as_str);
    if role.is_some_and(|role| !["user", "model", ""].contains(&role)) && at != "system_instruction"
    {
        return Err(ApiError::invalid("Please use a valid role: user, model."));
    }
    if parts(content).is_empty() {
        return Err(ApiError::field(
            OF,
            &format!("{at}.parts"),
            "contents.parts must not be empty.",
        ));
    }
    for (index, part) in parts(content).iter().enumerate() {
        check_part(&format!("{at}.parts[{index}]"), part, role)?;
    }
    Ok(())
}

fn check_part(at: &str, part: &Value, role: Option<&str>) -> Result<(), ApiError> {
    let kinds = [
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
    ];
    let mut found = kinds.iter().filter(|kind| part.get(**kind).is_some());
    let refused =
        |field: &str, message: &str| Err(ApiError::field(OF, &format!("{at}.{field}"), message));
    let Some(kind) = found.next() else {
        // A signature may come in a part of its own.
        if part.get("thoughtSignature").is_some() {
            return Ok(());
        }
        return refused(
            "data",
            "required oneof field 'data' must have one initialized field",
        );
    };
    if found.next().is_some() {
        return Err(ApiError::invalid(format!(
            "Invalid value at '{at}' (oneof), oneof field 'data' is already set. Cannot set '{kind}'"
        )));
    }
    let lacks = |name: &str| {
        part[*kind]
            .get(name)
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
    };
    match *kind {
        "functionResponse" | "functionCall" if lacks("name") => {
            let kind = if *kind == "functionCall" {
                "function_call"
            } else {
                "function_response"
            };
            refused(&format!("{kind}.name"), "Name cannot be empty.")
        }
        "functionCall" if role != Some("model") => Err(ApiError::invalid(
            "Please ensure that function calls are in a turn of the role model.",
        )),
        "functionResponse" if role == Some("model") => Err(ApiError::invalid(
            "Please ensure that function responses are in a turn of the role user.",
        )),
        "inlineData" if lacks("mimeType") => {
            refused("inline_data.mime_type", "mime_type is required")
        }
        "inlineData" if lacks("data") => refused("inline_data.data", "data is required"),
        "fileData" if lacks("fileUri") => refused("file_data.file_uri", "file_uri is required"),
        _ => Ok(()),
    }
}

fn of_kind<'a>(content: &'a Value, kind: &'static str) -> Vec<&'a Value> {
    parts(content)
        .iter()
        .filter_map(|part| part.get(kind))
        .collect()
}

/// Every turn of calls is followed by as many responses, of the same functions.
fn check_functions(contents: &[Value]) -> Result<(), ApiError> {
    let mut open: Vec<&Value> = Vec::new();
    for content in contents {
        let responses = of_kind(content, "functionResponse");
        if open.is_empty() && !responses.is_empty() {
            return Err(ApiError::invalid(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
        if responses.len() != open.len() {
            return Err(unequal());
        }
        let named = |values: &[&Value]| {
            let mut names: Vec<String> = values
                .iter()
                .map(|value| value["name"].to_string())
                .collect();
            names.sort();
            names
        };
        if named(&responses) != named(&open) {
            return Err(ApiError::invalid(
                "Please ensure that the names of the function responses are those of the function calls of the function \
                 call turn.",
            ));
        }
        open = of_kind(content, "functionCall");
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(unequal())
    }
}

fn unequal() -> ApiError {
    ApiError::invalid(
        "Please ensure that the number of function response parts is equal to the number of function call parts of the \
         function call turn.",
    )
}

/// Signatures must be the service's own; models from 3 on want one at the first call of every step of the turn.
fn check_signatures(contents: &[Value], model: &str) -> Result<(), ApiError> {
    let is_prompt = |content: &Value| {
        let is_model = content.get("role").is_some_and(|role| role == "model");
        !is_model && of_kind(content, "functionResponse").is_empty()
    };
    let begin = contents.iter().rposition(is_prompt).unwrap_or(0);
    for (index, content) in contents.iter().enumerate() {
        let mut is_first = true;
        for (nth, part) in parts(content).iter().enumerate() {
            let name = part.pointer("/functionCall/name").and_then(Value::as_str);
            match part.get("thoughtSignature").and_then(Value::as_str) {
                Some(sent) if !is_good(sent, name.unwrap_or_default()) => {
                    return Err(ApiError::invalid("Corrupted thought signature."));
                }
                None if name.is_some()
                    && is_first
                    && index > begin
                    && model.starts_with("gemini-3") =>
                {
                    return Err(ApiError::invalid(format!(
                        "Function call is missing a thought_signature in functionCall parts. This is required for tools \
                         to work correctly. Function call `{}`, position {}.",
                        name.unwrap_or_default(),
                        nth + 1
                    )));
                }
                _ => {}
            }
            is_first = is_first && name.is_none();
        }
    }
    Ok(())
}

fn is_good(sent: &str, name: &str) -> bool {
    let bytes = seal::either_base64(sent);
    let is = |own: &str| bytes.is_some() && bytes == seal::either_base64(own);
    sent == SKIP || bytes.as_deref() == Some(SKIP.as_bytes()) || is(&signature(name))
}
