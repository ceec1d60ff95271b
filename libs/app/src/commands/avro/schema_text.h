// Schema files as people edit them: errors name the file, and the line and column that a JSON path stands at.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/avro/schema.h>
#include <millrace/base/result.h>

namespace millrace::app::avro_commands {

struct text_place {
  std::size_t line = 0;  // from 1
  std::size_t column = 0;
};

// Where the value at a path such as "$.fields[2].type" begins in a JSON text; of the part of the path that is
// there, when not all of it is. nullopt: the text is not JSON as far as the path needs it.
[[nodiscard]] std::optional<text_place> find_place(std::string_view json, std::string_view path);

// The whole of a file, at most `file_bytes_max`; "-" is standard input. errc::config_invalid, naming the
// file, when it cannot be read or is larger.
inline constexpr std::size_t file_bytes_max = std::size_t{256} << 20;
[[nodiscard]] result<std::string> read_text(const std::string& file);

// The schema in a file, after those in `references`, which it may name. The error's message reads
// "visit.avsc:12:15: $.fields[2].type: unknown type 'Pge'"; errc::config_invalid when a file cannot be read.
[[nodiscard]] result<avro::schema> load_schema(const std::string& file,
                                               const std::vector<std::string>& references = {});

}  // namespace millrace::app::avro_commands
