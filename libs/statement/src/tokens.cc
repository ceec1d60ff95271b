#include <algorithm>
#include <array>
#include <cctype>

#include <millrace/statement/tokens.h>

namespace millrace::statements {
namespace {

constexpr std::size_t uuid_size = 36;
constexpr std::array<std::size_t, 4> uuid_dashes{8, 13, 18, 23};

bool is_space(char c) noexcept { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool part_of_word(char c) noexcept { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool starts_uuid(std::string_view rest) noexcept {
  if (rest.size() < uuid_size || (rest.size() > uuid_size && part_of_word(rest[uuid_size]))) return false;
  for (std::size_t i = 0; i < uuid_size; ++i) {
    const bool dash = std::find(uuid_dashes.begin(), uuid_dashes.end(), i) != uuid_dashes.end();
    if (dash ? rest[i] != '-' : std::isxdigit(static_cast<unsigned char>(rest[i])) == 0) return false;
  }
  return true;
}

class tokenizer {
 public:
  tokenizer(std::string_view cql, std::vector<std::size_t>* offsets) : cql_(cql), offsets_(offsets) {}

  std::vector<token> run() {
    while (skip_blanks()) {
      const char c = cql_[at_];
      if (offsets_ != nullptr) offsets_->push_back(at_);
      if (c == '\'' || c == '"') {
        take_quoted(c);
      } else if (rest().starts_with("$$")) {
        take_dollars();
      } else if (c == '?' || starts_named_marker()) {
        take_marker();
      } else if (starts_uuid(rest())) {
        take(token::sort::uuid, uuid_size);
      } else if (is_digit(c)) {
        take_number();
      } else if (part_of_word(c)) {
        take(token::sort::word, word_size(at_));
        for (char& one : all_.back().text)
          one = static_cast<char>(std::tolower(static_cast<unsigned char>(one)));
      } else {
        braces_ += (c == '{' ? 1 : 0) - (c == '}' && braces_ > 0 ? 1 : 0);
        take(token::sort::symbol, 1);
      }
    }
    return std::move(all_);
  }

 private:
  [[nodiscard]] std::string_view rest() const noexcept { return cql_.substr(at_); }
  [[nodiscard]] std::size_t word_size(std::size_t from) const noexcept {
    std::size_t end = from;
    while (end < cql_.size() && part_of_word(cql_[end])) ++end;
    return end - from;
  }

  void take(token::sort is, std::size_t size) {
    all_.push_back({is, std::string(cql_.substr(at_, size))});
    at_ += size;
  }

  // False at the end of the text.
  bool skip_blanks() noexcept {
    for (;;) {
      while (at_ < cql_.size() && is_space(cql_[at_])) ++at_;
      if (rest().starts_with("--") || rest().starts_with("//")) {
        at_ = std::min(cql_.find('\n', at_), cql_.size());
      } else if (rest().starts_with("/*")) {
        const std::size_t end = cql_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? cql_.size() : end + 2;
      } else {
        return at_ < cql_.size();
      }
    }
  }

  // A doubled quote stands for one.
  void take_quoted(char quote) {
    token one{quote == '"' ? token::sort::quoted_word : token::sort::text, {}};
    for (++at_; at_ < cql_.size(); ++at_) {
      if (cql_[at_] == quote) {
        if (at_ + 1 >= cql_.size() || cql_[at_ + 1] != quote) break;
        ++at_;
      }
      one.text += cql_[at_];
    }
    at_ = std::min(at_ + 1, cql_.size());
    all_.push_back(std::move(one));
  }

  void take_dollars() {
    at_ += 2;
    const std::size_t end = std::min(cql_.find("$$", at_), cql_.size());
    take(token::sort::text, end - at_);
    at_ = std::min(at_ + 2, cql_.size());
  }

  // ':name', but not the colon behind the key of a map or the field of a user type: {a:b}.
  [[nodiscard]] bool starts_named_marker() const noexcept {
    if (cql_[at_] != ':' || at_ + 1 >= cql_.size()) return false;
    if (!part_of_word(cql_[at_ + 1]) || is_digit(cql_[at_ + 1])) return false;
    if (braces_ == 0 || all_.empty()) return true;
    const token& before = all_.back();
    return before.is == token::sort::symbol &&
           std::string_view(")]}").find(before.text) == std::string_view::npos;
  }

  void take_marker() {
    at_ += cql_[at_] == '?' ? 1 : 1 + word_size(at_ + 1);
    all_.push_back({token::sort::marker, "?"});
  }

  void take_number() {
    const std::string_view number = rest();
    if (number.starts_with("0x") || number.starts_with("0X")) return take(token::sort::blob, word_size(at_));
    std::size_t end = 0;
    const auto digits = [&] {
      while (end < number.size() && is_digit(number[end])) ++end;
    };
    digits();
    if (end + 1 < number.size() && number[end] == '.' && is_digit(number[end + 1])) {
      ++end;
      digits();
    }
    if (end < number.size() && (number[end] == 'e' || number[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < number.size() && (number[exponent] == '+' || number[exponent] == '-')) ++exponent;
      if (exponent < number.size() && is_digit(number[exponent])) {
        end = exponent;
        digits();
      }
    }
    take(token::sort::number, end + word_size(at_ + end));
  }

  std::string_view cql_;
  std::size_t at_ = 0;
  std::size_t braces_ = 0;  // open ones
  std::vector<token> all_;
  std::vector<std::size_t>* offsets_;
};

void append_quoted(std::string& to, std::string_view text, char quote) {
  to += quote;
  for (const char c : text) {
    if (c == quote) to += quote;
    to += c;
  }
  to += quote;
}

}  // namespace

std::vector<token> tokens_of(std::string_view cql) { return tokenizer(cql, nullptr).run(); }

std::vector<token> tokens_of(std::string_view cql, std::vector<std::size_t>& offsets) {
  offsets.clear();
  return tokenizer(cql, &offsets).run();
}

std::string joined(const std::vector<token>& tokens) {
  std::string cql;
  for (const token& one : tokens) {
    if (!cql.empty()) cql += ' ';
    switch (one.is) {
      case token::sort::quoted_word:
        append_quoted(cql, one.text, '"');
        break;
      case token::sort::text:
        append_quoted(cql, one.text, '\'');
        break;
      case token::sort::word:
      case token::sort::number:
      case token::sort::uuid:
      case token::sort::blob:
      case token::sort::marker:
      case token::sort::symbol:
        cql += one.text;
        break;
    }
  }
  return cql;
}

}  // namespace millrace::statements
