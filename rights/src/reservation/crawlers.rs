//! Crawlers that collect pages for training.

/// The month in which the list was last compared with its sources.
pub const AI_CRAWLERS_AS_OF: &str = "2026-11";

/// The product tokens of crawlers that collect pages for training, in any case.
///
/// A publisher that keeps one of them from a path reserves training on it. Crawlers that only answer a user's question, or only build
/// a search index, are not in the list: `ChatGPT-User`, `OAI-SearchBot`, `Claude-User`, `Claude-SearchBot`, `Applebot`, `Googlebot`,
/// `bingbot`.
/// `Google-Extended` and `Applebot-Extended` fetch nothing; they are names for the use that robots.txt is asked about.
///
/// Source: the operators' pages about their crawlers, and <https://github.com/ai-robots-txt/ai.robots.txt> for those without one.
pub const AI_CRAWLERS: &[&str] = &[
    // Operators that say so.
    "AI2Bot",
    "Ai2Bot-Dolma",
    "Amazonbot",
    "Applebot-Extended",
    "CCBot",
    "ClaudeBot",
    "cohere-training-data-crawler",
    "Cotoyogi",
    "FacebookBot",
    "Google-Extended",
    "GPTBot",
    "ICC-Crawler",
    "meta-externalagent",
    "SBIntuitionsBot",
    "TerraCotta",
    "YandexAdditional",
    "YandexAdditionalBot",
    // Former names, which stand in many files.
    "anthropic-ai",
    "Claude-Web",
    "omgilibot",
    // Operators that say nothing, or that sell pages to others who train.
    "Brightbot",
    "Bytespider",
    "ChatGLM-Spider",
    "DeepSeekBot",
    "Diffbot",
    "Factset_spyderbot",
    "FriendlyCrawler",
    "omgili",
    "PanguBot",
    "TikTokSpider",
    "Timpibot",
    "VelenPublicWebCrawler",
    "Webzio-Extended",
    // Programs that others collect training data with.
    "img2dataset",
    "laion-huggingface-processor",
    "LAIONDownloader",
    // Their operators say that these serve answers or an index. Publishers name them next to those above, so they count.
    "cohere-ai",
    "ImagesiftBot",
    "PerplexityBot",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crawler_is_there_once_and_is_one_token() {
        let mut names: Vec<String> = AI_CRAWLERS.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), AI_CRAWLERS.len());
    }
}
