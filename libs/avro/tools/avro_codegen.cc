// Build-time generator: avro_codegen SCHEMA.avsc OUT.h [NAMESPACE]. `millrace codegen` is the one for people.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <millrace/avro/codegen.h>

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fputs("usage: avro_codegen SCHEMA.avsc OUT.h [NAMESPACE]\n", stderr);
    return 2;
  }
  std::ifstream in(argv[1], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) {
    std::fprintf(stderr, "%s: cannot be read\n", argv[1]);
    return 1;
  }
  auto parsed = millrace::avro::schema::parse(text);
  if (!parsed) {
    std::fprintf(stderr, "%s: %s\n", argv[1], parsed.error().message().c_str());
    return 1;
  }
  millrace::avro::codegen_options options;
  options.source = std::filesystem::path(argv[1]).filename().string();
  if (argc == 4) options.name_space = argv[3];
  auto header = millrace::avro::generate_header(*parsed, options);
  if (!header) {
    std::fprintf(stderr, "%s: %s\n", argv[1], header.error().message().c_str());
    return 1;
  }
  std::ofstream out(argv[2], std::ios::binary);
  out << *header;
  out.close();
  if (!out) {
    std::fprintf(stderr, "%s: cannot be written\n", argv[2]);
    return 1;
  }
  return 0;
}
