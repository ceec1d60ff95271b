#include "operator_commands.h"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using engine::command_answer;
using engine::operator_command;
using engine::record_name;
using kind = command_answer::kind;

// Workers that answer as a test sets, and record their commands.
struct office {
  secret token{"s3cret"};
  std::vector<std::optional<command_answer>> answers;  // of the workers, in order
  std::vector<std::string> asked;

  admin_page post(const std::string& path, const std::string& authorization = "Bearer s3cret") {
    std::vector<worker_command> workers;
    for (const auto& answer : answers) {
      workers.push_back([this, answer](const record_name& which, operator_command command) {
        asked.push_back(which.topic + "/" + std::to_string(which.partition) + "@" +
                        std::to_string(which.offset) + " " + std::string(to_string(command)));
        return answer;
      });
    }
    return handle({path, authorization}, token, workers);
  }
};

TEST(OperatorCommands, AreRefusedWithoutATokenInTheConfiguration) {
  office o;
  o.token = secret();
  o.answers = {command_answer{kind::obeyed, "done"}};
  for (const std::string authorization : {"", "Bearer ", "Bearer x"}) {
    const admin_page page = o.post("/records/visits/0/7/skip", authorization);
    EXPECT_EQ(page.status, 403U);
    EXPECT_NE(page.body.find("admin.token"), std::string::npos);
  }
  EXPECT_TRUE(o.asked.empty());
}

TEST(OperatorCommands, NeedTheToken) {
  office o;
  o.answers = {command_answer{kind::obeyed, "done"}};
  for (const std::string authorization : {"", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret2",
                                          "Bearer S3CRET", "Basic s3cret"}) {
    const admin_page page = o.post("/records/visits/0/7/skip", authorization);
    EXPECT_EQ(page.status, 401U) << authorization;
    EXPECT_TRUE(page.asks_for_token);
    EXPECT_EQ(page.body.find("s3cret"), std::string::npos);
  }
  EXPECT_TRUE(o.asked.empty());
}

TEST(OperatorCommands, ReachTheWorkerThatHasTheRecord) {
  office o;
  o.answers = {command_answer{kind::not_here, "elsewhere"}, command_answer{kind::obeyed, "skipped"},
               command_answer{kind::obeyed, "never asked"}};
  const admin_page page = o.post("/records/visits.v2/3/12345678901/dead-letter");
  EXPECT_EQ(page.status, 200U) << page.body;
  EXPECT_EQ(page.body, "skipped\n");
  EXPECT_EQ(o.asked, (std::vector<std::string>(2, "visits.v2/3@12345678901 dead-letter")));
}

TEST(OperatorCommands, ReportWhyNothingWasDone) {
  office o;
  o.answers = {command_answer{kind::not_now, "attempt 3 is running"}};
  EXPECT_EQ(o.post("/records/visits/0/7/retry").status, 409U);
  EXPECT_EQ(o.post("/records/visits/0/7/retry").body, "not executed: attempt 3 is running\n");
  o.answers = {command_answer{kind::not_here, "it is finished"}};
  EXPECT_EQ(o.post("/records/visits/0/7/retry").status, 404U);
  EXPECT_EQ(o.post("/records/visits/0/7/retry").body, "not executed: it is finished\n");
}

TEST(OperatorCommands, AnUnansweredCommandIsReportedUnlessAnotherWorkerExecutesIt) {
  office o;
  o.answers = {std::nullopt, command_answer{kind::not_here, "elsewhere"}};
  EXPECT_EQ(o.post("/records/visits/0/7/skip").status, 503U);
  o.answers = {std::nullopt, command_answer{kind::obeyed, "skipped"}};
  EXPECT_EQ(o.post("/records/visits/0/7/skip").status, 200U);
}

TEST(OperatorCommands, OtherPathsAreRefusedWithTheSyntax) {
  office o;
  o.answers = {command_answer{kind::obeyed, "done"}};
  for (const std::string path :
       {"/", "/records", "/records/", "/records/visits/0/7", "/records/visits/0/7/drop", "/records//0/7/skip",
        "/records/visits/x/7/skip", "/records/visits/0/-7/skip", "/records/visits/0/7/skip/",
        "/records/visits/0/7/skip/more", "/records/visits/99999999999/7/skip"}) {
    const admin_page page = o.post(path);
    EXPECT_EQ(page.status, 404U) << path;
    EXPECT_NE(page.body.find("dead-letter"), std::string::npos);
  }
  EXPECT_TRUE(o.asked.empty());
}

}  // namespace
}  // namespace millrace::app
