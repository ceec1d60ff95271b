#include "request_text.h"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

const endpoint server{.tls = false, .host = "example.com", .port = "80", .path = "/v1"};

TEST(RequestText, HasTheLengthOfABodyAlsoWhenItIsEmpty) {
  EXPECT_EQ(
      text_of({"PUT", "/x"}, server, {}).value(),
      "PUT /v1/x HTTP/1.1\r\nHost: example.com:80\r\nUser-Agent: millrace\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(text_of({"GET", "/x"}, server, {}).value(),
            "GET /v1/x HTTP/1.1\r\nHost: example.com:80\r\nUser-Agent: millrace\r\n\r\n");
}

TEST(RequestText, NothingCanEndItsLine) {
  for (const request& bad :
       {request{"GET\r\n", "/"}, request{"GET", "/\r\nX: y"}, request{"GET", "/\xc3\xa4"},
        request{"GET", "/", "", {{"A: b", "c"}}}, request{"GET", "/", "", {{"A", "b\nc"}}}}) {
    const auto made = text_of(bad, server, {});
    ASSERT_FALSE(made) << *made;
    EXPECT_EQ(made.error().code(), errc::service_rejected);
  }
}

TEST(RequestText, HeadersOfTheConnectionAreNotTheCallers) {
  for (const char* name : {"Content-Length", "transfer-encoding", "HOST", "Connection", "Expect"})
    EXPECT_FALSE(text_of({"GET", "/", "", {{name, "1"}}}, server, {})) << name;
}

TEST(RequestText, AMessageHasNoValueOfAHeader) {
  const auto made = text_of({"GET", "/", "", {{"Authorization", "secret\n"}}}, server, {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message().find("secret"), std::string::npos) << made.error().message();
}

}  // namespace
}  // namespace millrace::http
