//! Whose API a model of LiteLLM's is of, by what stands before its name. Source: the list of providers in LiteLLM's
//! documentation; addresses are the vendors' own.

/// What is behind a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vendor {
    /// The prefix, which also names the provider here.
    pub(super) name: &'static str,
    /// The type of provider.
    pub(super) kind: &'static str,
    /// Where a vendor with an API compatible with OpenAI's has it; empty where it has to be given.
    pub(super) address: &'static str,
    /// The variable that its key is in, where none is given.
    pub(super) key: Option<&'static str>,
}

const fn own(name: &'static str, kind: &'static str, key: &'static str) -> Vendor {
    Vendor {
        name,
        kind,
        address: "",
        key: Some(key),
    }
}

const fn like_openai(name: &'static str, address: &'static str, key: &'static str) -> Vendor {
    Vendor {
        name,
        kind: "openai",
        address,
        key: Some(key),
    }
}

/// A server of one's own.
const fn server(name: &'static str, address: &'static str) -> Vendor {
    Vendor {
        name,
        kind: "openai",
        address,
        key: None,
    }
}

pub(super) const OPENAI: Vendor =
    like_openai("openai", "https://api.openai.com/v1", "OPENAI_API_KEY");
const ANTHROPIC: Vendor = own("anthropic", "anthropic", "ANTHROPIC_API_KEY");
const BEDROCK: Vendor = Vendor {
    name: "bedrock",
    kind: "bedrock",
    address: "",
    key: None,
};
const VERTEX: Vendor = Vendor {
    name: "vertex_ai",
    kind: "vertex",
    address: "",
    key: None,
};
pub(super) const OLLAMA: &str = "http://localhost:11434/v1";

const VENDORS: &[Vendor] = &[
    OPENAI,
    ANTHROPIC,
    BEDROCK,
    VERTEX,
    own("azure", "azure", "AZURE_API_KEY"),
    own("gemini", "gemini", "GEMINI_API_KEY"),
    like_openai(
        "text-completion-openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
    ),
    like_openai("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    like_openai("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    like_openai(
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
    ),
    like_openai(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    like_openai(
        "together_ai",
        "https://api.together.xyz/v1",
        "TOGETHERAI_API_KEY",
    ),
    like_openai("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    like_openai(
        "fireworks_ai",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_AI_API_KEY",
    ),
    like_openai(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITYAI_API_KEY",
    ),
    like_openai("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    like_openai(
        "nvidia_nim",
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_NIM_API_KEY",
    ),
    like_openai(
        "sambanova",
        "https://api.sambanova.ai/v1",
        "SAMBANOVA_API_KEY",
    ),
    like_openai(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        "DEEPINFRA_API_KEY",
    ),
    like_openai("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    like_openai(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
    ),
    like_openai(
        "volcengine",
        "https://ark.cn-beijing.volces.com/api/v3",
        "VOLCENGINE_API_KEY",
    ),
    like_openai("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    server("ollama", OLLAMA),
    server("ollama_chat", OLLAMA),
    server("hosted_vllm", ""),
    server("lm_studio", ""),
    server("llamafile", ""),
    server("xinference", ""),
    server("openai_like", ""),
    server("custom_openai", ""),
    server("litellm_proxy", ""),
];

/// How names begin that LiteLLM knows without a prefix.
const BARE: &[(&str, Vendor)] = &[
    ("gpt-", OPENAI),
    ("chatgpt-", OPENAI),
    ("o1", OPENAI),
    ("o3", OPENAI),
    ("o4", OPENAI),
    ("text-embedding-3", OPENAI),
    ("text-embedding-ada", OPENAI),
    ("dall-e-", OPENAI),
    ("whisper-", OPENAI),
    ("tts-", OPENAI),
    ("omni-moderation", OPENAI),
    ("claude-", ANTHROPIC),
    ("gemini-", VERTEX),
    ("anthropic.claude-", BEDROCK),
];

/// Whose a model is and what it is called there. `said` is the vendor that stands beside the model.
pub(super) fn of<'a>(model: &'a str, said: Option<&str>) -> Option<(Vendor, &'a str)> {
    if let Some(said) = said {
        let vendor = *VENDORS.iter().find(|vendor| vendor.name == said)?;
        let own = model
            .strip_prefix(said)
            .and_then(|rest| rest.strip_prefix('/'));
        return Some((vendor, own.unwrap_or(model)));
    }
    if let Some((prefix, name)) = model.split_once('/')
        && let Some(vendor) = VENDORS.iter().find(|vendor| vendor.name == prefix)
    {
        return Some((*vendor, name));
    }
    let bare = BARE.iter().find(|(start, _)| model.starts_with(start));
    bare.map(|(_, vendor)| (*vendor, model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(model: &str, said: Option<&str>, expected: Option<(&str, &str)>) {
        let found = of(model, said).map(|(vendor, name)| (vendor.name, name));
        assert_eq!(found, expected, "{model}");
    }

    #[test]
    fn a_vendor_is_told_by_what_stands_before_a_name() {
        check(
            "azure/my-deployment",
            None,
            Some(("azure", "my-deployment")),
        );
        check(
            "openrouter/meta/llama",
            None,
            Some(("openrouter", "meta/llama")),
        );
        check("gpt-4o", None, Some(("openai", "gpt-4o")));
        check(
            "claude-sonnet-4-5",
            None,
            Some(("anthropic", "claude-sonnet-4-5")),
        );
        check(
            "meta/llama-3",
            Some("openai"),
            Some(("openai", "meta/llama-3")),
        );
        check("openai/gpt-4o", Some("openai"), Some(("openai", "gpt-4o")));
        check("command-r", None, None);
        check("cohere/command-r", None, None);
        check("x", Some("nobody"), None);
    }
}
