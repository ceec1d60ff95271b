// Reads a file of CQL into a declared_schema: one statement after another, each to its end or to its first error.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/cql/declared_schema.h>
#include <millrace/statement/tokens.h>

namespace millrace::cql {

class schema_reader {
 public:
  schema_reader(std::string_view text, std::string default_keyspace);
  [[nodiscard]] declared_schema run();

 private:
  // Where reading a statement ended early; its problem is recorded.
  struct refused {};
  using name = std::pair<std::string, std::string>;  // keyspace, name
  struct user_type {
    std::vector<std::pair<std::string, std::string>> fields;  // name, type
  };

  // Tokens.
  [[nodiscard]] const statements::token& here(std::size_t ahead = 0) const noexcept;
  [[nodiscard]] bool at_end() const noexcept;  // of the statement
  bool take_word(std::string_view keyword) noexcept;
  bool take_symbol(char c) noexcept;
  void expect_word(std::string_view keyword);
  void expect_symbol(char c);
  [[nodiscard]] std::string expect_name(std::string_view what);
  [[nodiscard]] name expect_qualified(std::string_view what);
  [[noreturn]] void fail(const std::string& message, std::optional<std::size_t> token = std::nullopt);
  void report(const std::string& message, std::size_t token);
  [[nodiscard]] std::string shown_here() const;

  // Statements.
  void read_statement();
  void read_create();
  void create_keyspace();
  void create_table();
  void create_type();
  void create_index();
  void create_view();
  void read_alter();
  void alter_table();
  void add_columns(declared_table& to);
  void drop_columns(declared_table& from);
  void rename_columns(declared_table& in);
  void alter_type();
  void read_drop();
  bool take_if_not_exists();
  void note(declared_statement::kind is, const name& of);
  void skip_to_end() noexcept;

  // Parts of statements.
  void read_column(declared_table& into);
  void read_primary_key(declared_table& into);
  void set_role(declared_table& in, declared_column::role is);
  [[nodiscard]] std::string read_type(const std::string& keyspace);
  [[nodiscard]] std::string read_parameters(const std::string& keyspace);
  [[nodiscard]] std::string user_type_text(const name& of, std::size_t token);
  [[nodiscard]] declared_table& known_table(const name& of, std::size_t token);
  void check_table(const declared_table& made, std::size_t token);
  void add_table(declared_table made, std::size_t token);

  std::string_view text_;
  std::vector<std::size_t> offsets_;  // of the tokens
  std::vector<statements::token> tokens_;
  std::size_t at_ = 0;
  std::string keyspace_;  // of names without one
  std::map<name, user_type> types_;
  std::optional<std::size_t> unqualified_;  // the first name of the statement without a keyspace: its offset
  declared_statement current_;
  declared_schema made_;
};

}  // namespace millrace::cql
