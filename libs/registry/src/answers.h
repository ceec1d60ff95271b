// What a registry's answers mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <millrace/http/exchange.h>
#include <millrace/registry/client.h>

#include "registry_metrics.h"

namespace millrace::registry {

struct judged {
  asked outcome = asked::answered;
  std::optional<error> failure;  // when not answered
  nlohmann::json body;           // when answered
};
// `place`: the URL, for messages.
[[nodiscard]] judged judge(const std::string& place, const http::response& response);

// A schema as an answer gives it.
struct described_schema {
  std::string text;
  std::vector<schema_reference> references;
};
// errc::unsupported: not Avro, or its rules encrypt what is written with it. errc::registry_unavailable:
// there is no schema in the answer.
[[nodiscard]] result<described_schema> schema_of(const nlohmann::json& body);
[[nodiscard]] result<std::int32_t> number_of(const nlohmann::json& body, const char* member);

// The body of a request that sends a schema.
[[nodiscard]] std::string sent(std::string_view text, const std::vector<schema_reference>& references);

// A Retry-After header: seconds, or a date. nullopt when it is neither.
[[nodiscard]] std::optional<seconds> retry_after(std::string_view header, timestamp_micros now);

}  // namespace millrace::registry
