/** What most begin with; every other vendor is on the page of providers. */
export interface Start {
  /** Name of the vendor in the gateway's table, and of the provider that is made. */
  vendor: string;
  label: string;
  /** Where its keys are made, as its users know the page. */
  console: string;
  hint: string;
}

export const STARTS: Start[] = [
  { vendor: "openai", label: "OpenAI", console: "platform.openai.com/api-keys", hint: "sk-…" },
  { vendor: "anthropic", label: "Anthropic", console: "console.anthropic.com/settings/keys", hint: "sk-ant-…" },
  { vendor: "gemini", label: "Google Gemini", console: "aistudio.google.com/apikey", hint: "AIza…" },
  { vendor: "mistral", label: "Mistral", console: "console.mistral.ai/api-keys", hint: "" },
  { vendor: "groq", label: "Groq", console: "console.groq.com/keys", hint: "gsk_…" },
  { vendor: "deepseek", label: "DeepSeek", console: "platform.deepseek.com/api_keys", hint: "sk-…" },
  { vendor: "openrouter", label: "OpenRouter", console: "openrouter.ai/keys", hint: "sk-or-…" },
];
