#include "cql_lexer.h"

#include <cctype>
#include <utility>

#include <fmt/format.h>

#include <millrace/emulators/cql_tokens.h>

namespace millrace::emulators::cql {
namespace {

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool starts_uuid(std::string_view rest) {
  if (rest.size() < 36 || (rest.size() > 36 && is_name(rest[36]))) return false;
  for (std::size_t i = 0; i < 36; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? rest[i] != '-' : !is_hex(rest[i])) return false;
  }
  return true;
}

class cutter {
 public:
  explicit cutter(std::string_view statement) : all_(statement) {}

  answer<std::vector<token>> run() {
    std::vector<token> out;
    for (;;) {
      if (!skip_blanks()) return syntax_error(all_, at_, "missing end of comment");
      token next;
      next.at = static_cast<std::uint32_t>(at_);
      if (at_ >= all_.size()) {
        out.push_back(std::move(next));
        return out;
      }
      if (!cut(next))
        return syntax_error(all_, next.at, fmt::format("no viable alternative at character '{}'", all_[at_]));
      out.push_back(std::move(next));
      if (out.size() >= statement_tokens_max) return syntax_error(all_, at_, "statement has too many tokens");
    }
  }

 private:
  [[nodiscard]] std::string_view rest() const { return all_.substr(at_); }

  bool skip_blanks() {
    for (;;) {
      while (at_ < all_.size() && std::isspace(static_cast<unsigned char>(all_[at_])) != 0) ++at_;
      if (rest().starts_with("--") || rest().starts_with("//")) {
        at_ = std::min(all_.find('\n', at_), all_.size());
      } else if (rest().starts_with("/*")) {
        const std::size_t end = all_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return false;
        at_ = end + 2;
      } else {
        return true;
      }
    }
  }

  bool cut(token& next) {
    const char first = all_[at_];
    if (first == '\'' || first == '"') return cut_quoted(next, first);
    if (rest().starts_with("$$")) return cut_dollars(next);
    if (starts_uuid(rest())) {
      next.is = token::sort::uuid;
      return advance(next, 36);
    }
    if (first == '0' && at_ + 1 < all_.size() && (all_[at_ + 1] == 'x' || all_[at_ + 1] == 'X')) {
      std::size_t length = 2;
      while (at_ + length < all_.size() && is_hex(all_[at_ + length])) ++length;
      next.is = token::sort::blob;
      return length % 2 == 0 && advance(next, length);
    }
    if (is_digit(first)) return cut_number(next);
    if (std::isalpha(static_cast<unsigned char>(first)) != 0) {
      std::size_t length = 1;
      while (at_ + length < all_.size() && is_name(all_[at_ + length])) ++length;
      next.is = token::sort::word;
      advance(next, length);
      for (char& c : next.text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      return true;
    }
    next.is = token::sort::symbol;
    for (const std::string_view pair : {"<=", ">=", "!="}) {
      if (rest().starts_with(pair)) return advance(next, 2);
    }
    return std::string_view("()[]{},;:.=<>+-*?").find(first) != std::string_view::npos && advance(next, 1);
  }

  bool cut_quoted(token& next, char quote) {
    next.is = quote == '"' ? token::sort::word : token::sort::text;
    next.quoted = true;
    for (std::size_t i = at_ + 1; i < all_.size(); ++i) {
      if (all_[i] != quote) {
        next.text.push_back(all_[i]);
      } else if (i + 1 < all_.size() && all_[i + 1] == quote) {
        next.text.push_back(quote);
        ++i;
      } else {
        at_ = i + 1;
        return true;
      }
    }
    return false;
  }

  bool cut_dollars(token& next) {
    const std::size_t end = all_.find("$$", at_ + 2);
    if (end == std::string_view::npos) return false;
    next.is = token::sort::text;
    next.quoted = true;
    next.text = all_.substr(at_ + 2, end - at_ - 2);
    at_ = end + 2;
    return true;
  }

  bool cut_number(token& next) {
    std::size_t end = at_;
    next.is = token::sort::integer;
    const auto digits = [&] {
      while (end < all_.size() && is_digit(all_[end])) ++end;
    };
    digits();
    if (end + 1 < all_.size() && all_[end] == '.' && is_digit(all_[end + 1])) {
      next.is = token::sort::real;
      ++end;
      digits();
    }
    if (end < all_.size() && (all_[end] == 'e' || all_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < all_.size() && (all_[exponent] == '+' || all_[exponent] == '-')) ++exponent;
      if (exponent < all_.size() && is_digit(all_[exponent])) {
        next.is = token::sort::real;
        end = exponent;
        digits();
      }
    }
    if (end < all_.size() && std::isalpha(static_cast<unsigned char>(all_[end])) != 0) {
      while (end < all_.size() && is_name(all_[end])) ++end;  // a duration: 1h30m
      next.is = token::sort::text;
    }
    return advance(next, end - at_);
  }

  bool advance(token& next, std::size_t length) {
    next.text = all_.substr(at_, length);
    at_ += length;
    return true;
  }

  std::string_view all_;
  std::size_t at_ = 0;
};

}  // namespace

answer<std::vector<token>> tokenize(std::string_view statement) { return cutter(statement).run(); }

cql_token public_token(token one) {
  using sort = cql_token::sort;
  switch (one.is) {
    case token::sort::end:
    case token::sort::symbol:
      break;
    case token::sort::word:
      return {one.quoted ? sort::quoted_word : sort::word, std::move(one.text)};
    case token::sort::text:
      return {one.quoted ? sort::text : sort::number, std::move(one.text)};
    case token::sort::integer:
    case token::sort::real:
      return {sort::number, std::move(one.text)};
    case token::sort::uuid:
      return {sort::uuid, std::move(one.text)};
    case token::sort::blob:
      return {sort::blob, std::move(one.text)};
  }
  return {sort::symbol, std::move(one.text)};
}

failure syntax_error(std::string_view statement, std::size_t at, std::string_view what) {
  std::size_t line = 1;
  std::size_t column = 0;
  for (std::size_t i = 0; i < at && i < statement.size(); ++i) {
    ++column;
    if (statement[i] == '\n') {
      ++line;
      column = 0;
    }
  }
  return {code::syntax, fmt::format("line {}:{} {}", line, column, what), {}};
}

}  // namespace millrace::emulators::cql

namespace millrace::emulators {

result<std::vector<cql_token>> cql_tokens(std::string_view statement) {
  auto cut = cql::tokenize(statement);
  if (!cut) return error(errc::malformed, cut.why().message);
  std::vector<cql_token> all;
  for (cql::token& one : *cut) {
    if (one.is != cql::token::sort::end) all.push_back(cql::public_token(std::move(one)));
  }
  return all;
}

}  // namespace millrace::emulators
