//! What OpenTelemetry's conventions for generative AI call things.

use catalog::{Provider, ProviderKind};
use opentelemetry::KeyValue;

/// Where a provider is, without what may be secret in its address.
pub(crate) fn server(provider: &Provider) -> impl Iterator<Item = KeyValue> + use<> {
    let uri: Option<http::Uri> = provider.base_url.origin().parse().ok();
    let host = uri.as_ref().and_then(|uri| uri.host()).map(str::to_owned);
    let port = uri.as_ref().and_then(|uri| uri.port_u16());
    let host = host.map(|host| KeyValue::new("server.address", host));
    let port = port.map(|port| KeyValue::new("server.port", i64::from(port)));
    host.into_iter().chain(port)
}

/// What the conventions call a type of provider.
pub(crate) fn vendor(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::OpenAi => "openai",
        ProviderKind::Anthropic => "anthropic",
        ProviderKind::Gemini => "gcp.gemini",
        ProviderKind::Azure => "azure.ai.openai",
        ProviderKind::Bedrock => "aws.bedrock",
        ProviderKind::Vertex => "gcp.vertex_ai",
        other => other.name(),
    }
}

/// What the conventions call what is asked for; what they do not know is called as its path ends.
pub(crate) fn operation(endpoint: &'static str) -> &'static str {
    let last = endpoint.rsplit(['/', ':']).next().unwrap_or(endpoint);
    match last {
        "responses" | "messages" => "chat",
        "completions" if endpoint.ends_with("chat/completions") => "chat",
        "completions" => "text_completion",
        "embeddings" | "embedContent" | "batchEmbedContents" => "embeddings",
        "generateContent" | "streamGenerateContent" => "generate_content",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::operation;

    #[test]
    fn operations_are_named_as_the_conventions_do() {
        assert_eq!(operation("/v1/chat/completions"), "chat");
        assert_eq!(operation("/v1/completions"), "text_completion");
        assert_eq!(operation("/v1/messages"), "chat");
        assert_eq!(operation("/v1/messages/count_tokens"), "count_tokens");
        assert_eq!(operation("/v1/embeddings"), "embeddings");
        assert_eq!(
            operation("/v1beta/models/{model}:streamGenerateContent"),
            "generate_content"
        );
    }
}
