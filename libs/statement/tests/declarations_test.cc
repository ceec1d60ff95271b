#include <gtest/gtest.h>

#include <millrace/statement/declarations.h>

namespace millrace::statements {
namespace {

class any_statement final : public statement_declaration {
 public:
  using statement_declaration::statement_declaration;
  result<void> check(const std::vector<column>&, const std::vector<column>&) override { return {}; }
};

TEST(Declarations, AreCollectedInOrderAndNamedAfterTheirTable) {
  declarations found;
  const declaration_scope scope(found);
  const any_statement select("SELECT a FROM ks.profile WHERE id = ?");
  const any_statement insert("INSERT INTO visit (a, b) VALUES (?, ?)");
  const any_statement update("UPDATE visit SET a = ?");
  ASSERT_EQ(found.statements.size(), 3U);
  EXPECT_EQ(found.statements[0], &select);
  EXPECT_EQ(select.name(), "select profile");
  EXPECT_EQ(insert.name(), "insert visit");
  EXPECT_EQ(update.name(), "update visit");
}

TEST(DeclarationsDeathTest, AStatementOutsideAProcessorAborts) {
  EXPECT_DEATH(any_statement("SELECT a FROM t"), "members of a processor");
}

}  // namespace
}  // namespace millrace::statements
