// Our registry client and double for tests in Python.
//
//   registry_driver serve [KEY=VALUE...]   runs the double, prints its URL, ends with standard input. Keys:
//   user,
//                                          password, oauth_client, oauth_secret, certificate, key
//   registry_driver ask OPTIONS            OPTIONS is JSON; then a JSON command a line, and an answer a line
//
// Commands: {"do": "check"}, {"do": "register", "subject", "schema", "references"?}, {"do": "fetch", "id"},
// {"do": "find", "subject", "version"}, {"do": "compare", "subject", "schema"}, {"do": "decode", "message"},
// {"do": "encode", "subject", "schema", "datum"}, {"do": "stats"}. Messages are hexadecimal, framed; a datum
// is Avro's JSON. A failure answers {"error": code, "message": text}.
#include <future>
#include <iostream>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include <millrace/avro/framing.h>
#include <millrace/avro/json.h>
#include <millrace/emulators/registry_double.h>
#include <millrace/registry/client.h>

namespace millrace {
namespace {

using nlohmann::json;

json failed(const error& why) {
  return {{"error", std::string(to_string(why.code()))}, {"message", why.message()}};
}

std::string hexadecimal(bytes_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte each : bytes) {
    const auto value = static_cast<unsigned>(each);
    text += digits[value >> 4U];
    text += digits[value & 15U];
  }
  return text;
}

byte_buffer from_hexadecimal(const std::string& text) {
  byte_buffer bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

result<avro::schema> parsed(const stream::schema_document& document) {
  std::vector<std::string_view> texts(document.references.begin(), document.references.end());
  texts.emplace_back(document.text);
  auto all = avro::schema::parse_set(texts);
  if (!all) return all.error();
  return all->back();
}

class asker {
 public:
  explicit asker(registry::client& of) : client_(of) {}

  json answer(const json& to) {
    const std::string what = to.at("do");
    if (what == "check") return check();
    if (what == "register") return register_schema(to);
    if (what == "fetch") return fetch(to);
    if (what == "find") return find(to);
    if (what == "compare") return compare(to);
    if (what == "decode") return decode(to);
    if (what == "encode") return encode(to);
    if (what == "stats") return stats();
    return {{"error", "unsupported"}, {"message", what}};
  }

 private:
  static std::vector<registry::schema_reference> references_in(const json& command) {
    std::vector<registry::schema_reference> all;
    for (const json& each : command.value("references", json::array()))
      all.push_back({each.at("name"), each.at("subject"), each.at("version")});
    return all;
  }
  result<registry::client::document> get(std::int32_t id) {
    std::promise<result<registry::client::document>> promise;
    client_.fetch(id,
                  [&promise](result<registry::client::document> got) { promise.set_value(std::move(got)); });
    return promise.get_future().get();
  }
  json check() {
    const auto good = client_.check();
    return good ? json::object() : failed(good.error());
  }
  json register_schema(const json& to) {
    const auto id = client_.register_schema(to.at("subject").get<std::string>(),
                                            to.at("schema").get<std::string>(), references_in(to));
    return id ? json{{"id", *id}} : failed(id.error());
  }
  json fetch(const json& to) {
    const auto found = get(to.at("id"));
    if (!found) return failed(found.error());
    return {{"schema", (*found)->text}, {"references", (*found)->references}};
  }
  json find(const json& to) {
    const auto found = client_.find(to.at("subject").get<std::string>(), to.at("version"));
    if (!found) return failed(found.error());
    return {{"id", found->id},
            {"version", found->version},
            {"schema", found->schema.text},
            {"references", found->schema.references}};
  }
  json compare(const json& to) {
    const auto seen =
        client_.compare(to.at("subject").get<std::string>(), to.at("schema").get<std::string>());
    if (!seen) return failed(seen.error());
    return {{"compatible", seen->compatible}, {"why", seen->why}};
  }
  json decode(const json& to) {
    const byte_buffer message = from_hexadecimal(to.at("message"));
    const auto framed = avro::split_frame(message);
    if (!framed) return failed(framed.error());
    const auto document = get(framed->schema_id);
    if (!document) return failed(document.error());
    const auto writer = parsed(**document);
    if (!writer) return failed(writer.error());
    const auto datum = avro::decode_to_json(*writer, framed->datum, avro::json_form::avro);
    if (!datum) return failed(datum.error());
    return {{"datum", json::parse(datum->text)}};
  }
  json encode(const json& to) {
    const std::string text = to.at("schema");
    const auto id = client_.register_schema(to.at("subject").get<std::string>(), text);
    if (!id) return failed(id.error());
    const auto schema = avro::schema::parse(text);
    if (!schema) return failed(schema.error());
    byte_buffer message;
    avro::append_frame(*id, message);
    if (auto encoded = avro::encode_json(*schema, to.at("datum").dump(), message); !encoded)
      return failed(encoded.error());
    return {{"message", hexadecimal(message)}};
  }
  json stats() {
    const auto now = client_.stats();
    return {{"requests", now.requests}, {"disk_hits", now.disk_hits}, {"entries", now.entries}};
  }

  registry::client& client_;
};

int serve(int count, char** words) {
  std::map<std::string, std::string> given;
  for (int i = 0; i < count; ++i) {
    const std::string word = words[i];
    const std::size_t equals = std::min(word.find('='), word.size());
    given[word.substr(0, equals)] = word.substr(std::min(equals + 1, word.size()));
  }
  emulators::registry_double_options options;
  options.user = given["user"];
  options.password = given["password"];
  options.oauth_client = given["oauth_client"];
  options.oauth_secret = given["oauth_secret"];
  options.tls_certificate_file = given["certificate"];
  options.tls_key_file = given["key"];
  auto server = emulators::registry_double::start(std::move(options));
  if (!server) {
    std::cerr << server.error().to_string() << "\n";
    return 1;
  }
  std::cout << (*server)->url() << std::endl;
  while (std::cin.get() != std::char_traits<char>::eof()) {
  }
  return 0;
}

int ask(const std::string& text) {
  const json given = json::parse(text);
  registry::client_options options;
  options.urls = given.at("urls").get<std::vector<std::string>>();
  options.user = given.value("user", "");
  options.password = secret(given.value("password", ""));
  options.ca_file = given.value("ca_file", "");
  options.cache_folder = given.value("cache_folder", "");
  options.context = given.value("context", "");
  options.normalizes = given.value("normalizes", false);
  if (given.contains("oauth")) {
    registry::oauth_options& oauth = options.oauth.emplace();
    oauth.token_url = given["oauth"].at("token_url");
    oauth.client_id = given["oauth"].at("client_id");
    oauth.client_secret = secret(given["oauth"].at("client_secret").get<std::string>());
  }
  auto client = registry::client::create(std::move(options));
  if (!client) {
    std::cerr << client.error().to_string() << "\n";
    return 1;
  }
  asker answers(**client);
  for (std::string line; std::getline(std::cin, line);)
    std::cout << answers.answer(json::parse(line)).dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "serve") return millrace::serve(argc - 2, argv + 2);
  if (mode == "ask" && argc == 3) return millrace::ask(argv[2]);
  std::cerr << "usage: registry_driver serve [KEY=VALUE...] | ask OPTIONS\n";
  return 78;
}
