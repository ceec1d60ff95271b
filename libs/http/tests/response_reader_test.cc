#include "response_reader.h"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using state = response_reader::state;

// Every byte alone is the hardest way to cut an answer.
state feed_bytewise(response_reader& to, std::string_view bytes) {
  state last = state::more;
  for (const char c : bytes) {
    last = to.feed({&c, 1});
    if (last == state::failed) return last;
  }
  return last;
}

TEST(ResponseReader, AnAnswerMayComeByteByByte) {
  response_reader reader(4'096, 1'000);
  for (const std::string_view answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 "
        "OK\r\nContent-Length: "
        "3\r\n\r\nabc"}) {
    reader.begin(false);
    EXPECT_FALSE(reader.has_begun());
    ASSERT_EQ(feed_bytewise(reader, answer), state::done) << answer << reader.reason();
    EXPECT_TRUE(reader.has_begun());
    EXPECT_TRUE(reader.keeps_connection());
    EXPECT_EQ(reader.take().body, "abc");
  }
}

TEST(ResponseReader, TheEndOfTheConnectionEndsOnlyABodyWithoutLength) {
  response_reader reader(4'096, 1'000);
  reader.begin(false);
  ASSERT_EQ(reader.feed("HTTP/1.1 200 OK\r\n\r\nabc"), state::more);
  ASSERT_EQ(reader.end(), state::done);
  EXPECT_FALSE(reader.keeps_connection());
  EXPECT_EQ(reader.take().body, "abc");
  for (const std::string_view part :
       {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc", "HTTP/1.1 200 OK\r\nX", ""}) {
    reader.begin(false);
    ASSERT_EQ(reader.feed(part), state::more) << part;
    EXPECT_EQ(reader.end(), state::failed) << part;
    EXPECT_EQ(reader.code(), errc::service_protocol);
  }
}

TEST(ResponseReader, AnswersThatAskToCloseAreTheLast) {
  response_reader reader(4'096, 1'000);
  for (const std::string_view answer : {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                                        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    reader.begin(false);
    ASSERT_EQ(reader.feed(answer), state::done);
    EXPECT_FALSE(reader.keeps_connection()) << answer;
  }
}

TEST(ResponseReader, WhatNeverEndsHasALimit) {
  response_reader reader(4'096, 1'000);
  std::string endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) endless += "1;" + std::string(40, 'x') + "\r\na\r\n";
  reader.begin(false);
  EXPECT_EQ(reader.feed(endless), state::failed);
  std::string interim;
  for (int i = 0; i < 20; ++i) interim += "HTTP/1.1 102 Processing\r\n\r\n";
  reader.begin(false);
  EXPECT_EQ(reader.feed(interim), state::failed);
  EXPECT_EQ(reader.code(), errc::service_protocol);
}

}  // namespace
}  // namespace millrace::http
