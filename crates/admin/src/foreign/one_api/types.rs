//! The numbers that one-api and new-api give to types of channels, and what is behind each. They agree on some only.
//! Sources: `relay/channeltype` of the former, `constant/channel.go` of the latter.

/// Which of the two wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::foreign) enum Flavour {
    OneApi,
    NewApi,
}

/// What a channel of some type is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Compatible with OpenAI; the address of the vendor, and what paths begin with. Empty is none of their own.
    OpenAi {
        address: &'static str,
        start: &'static str,
    },
    /// The address that is given is whole.
    Custom,
    Anthropic,
    Gemini,
    Azure,
    Bedrock,
    Vertex,
}

const fn at(address: &'static str) -> Behind {
    Behind::OpenAi {
        address,
        start: "/v1",
    }
}

const fn below(address: &'static str, start: &'static str) -> Behind {
    Behind::OpenAi { address, start }
}

impl Flavour {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OneApi => "one-api",
            Self::NewApi => "new-api",
        }
    }

    /// `None` where it is nothing that is known here, or no protocol that is spoken here.
    pub(super) fn behind(self, number: i64) -> Option<Behind> {
        match number {
            1 => Some(at("https://api.openai.com")),
            3 => Some(Behind::Azure),
            6 => Some(at("https://api.openaimax.com")),
            7 => Some(at("https://api.ohmygpt.com")),
            8 => Some(match self {
                Self::OneApi => at(""),
                Self::NewApi => Behind::Custom,
            }),
            10 => Some(at("https://api.aiproxy.io")),
            12 => Some(at("https://api.api2gpt.com")),
            13 => Some(at("https://api.aigc2d.com")),
            14 => Some(Behind::Anthropic),
            16 => Some(below("https://open.bigmodel.cn", "/api/paas/v4")),
            17 => Some(below(
                "https://dashscope.aliyuncs.com",
                "/compatible-mode/v1",
            )),
            19 => Some(at("https://api.360.cn")),
            20 => Some(at("https://openrouter.ai/api")),
            22 => Some(at("https://fastgpt.run/api/openapi")),
            24 => Some(Behind::Gemini),
            25 => Some(at("https://api.moonshot.cn")),
            31 => Some(at("https://api.lingyiwanwu.com")),
            33 => Some(Behind::Bedrock),
            other => match self {
                Self::OneApi => of_one_api(other),
                Self::NewApi => of_new_api(other),
            },
        }
    }
}

fn of_one_api(number: i64) -> Option<Behind> {
    Some(match number {
        2 => at("https://oa.api2d.net"),
        4 => at("https://api.closeai-proxy.xyz"),
        5 => at("https://api.openai-sb.com"),
        26 => at("https://api.baichuan-ai.com"),
        27 => at("https://api.minimax.chat"),
        28 => at("https://api.mistral.ai"),
        29 => at("https://api.groq.com/openai"),
        30 => at("http://localhost:11434"),
        32 => at("https://api.stepfun.com"),
        36 => at("https://api.deepseek.com"),
        39 => at("https://api.together.xyz"),
        40 => below("https://ark.cn-beijing.volces.com", "/api/v3"),
        41 => below("https://api.novita.ai/v3/openai", ""),
        42 => Behind::Vertex,
        44 => at("https://api.siliconflow.cn"),
        45 => at("https://api.x.ai"),
        47 => below("https://qianfan.baidubce.com", "/v2"),
        49 => below("https://dashscope.aliyuncs.com", "/compatible-mode/v1"),
        50 => Behind::Custom,
        51 => below(
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "",
        ),
        _ => return None,
    })
}

fn of_new_api(number: i64) -> Option<Behind> {
    Some(match number {
        4 => at("http://localhost:11434"),
        26 => below("https://open.bigmodel.cn", "/api/paas/v4"),
        27 => below("https://api.perplexity.ai", ""),
        35 => at("https://api.minimax.chat"),
        38 => at("https://api.jina.ai"),
        40 => at("https://api.siliconflow.cn"),
        41 => Behind::Vertex,
        42 => at("https://api.mistral.ai"),
        43 => at("https://api.deepseek.com"),
        44 => at("https://api.moka.ai"),
        45 => below("https://ark.cn-beijing.volces.com", "/api/v3"),
        46 => below("https://qianfan.baidubce.com", "/v2"),
        47 => at(""),
        48 => at("https://api.x.ai"),
        53 => at("https://llm.submodel.ai"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_something_else_to_the_other() {
        let deepseek = Some(at("https://api.deepseek.com"));
        assert_eq!(Flavour::OneApi.behind(36), deepseek);
        assert_eq!(Flavour::NewApi.behind(43), deepseek);
        assert_eq!(Flavour::NewApi.behind(36), None, "music");
        assert_eq!(Flavour::OneApi.behind(14), Flavour::NewApi.behind(14));
        assert_eq!(Flavour::OneApi.behind(0), None);
    }
}
