#include <gtest/gtest.h>

#include <millrace/http/url.h>

namespace millrace::http {
namespace {

endpoint parsed(std::string_view url) {
  auto made = parse_url(url);
  EXPECT_TRUE(made) << url;
  return made ? *made : endpoint{};
}

TEST(parse_url_test, has_the_default_port_of_its_scheme) {
  EXPECT_EQ(parsed("http://host").authority(), "host:80");
  EXPECT_EQ(parsed("https://host").authority(), "host:443");
  EXPECT_TRUE(parsed("https://host").tls);
  EXPECT_EQ(parsed("http://host:4318").port, "4318");
}

TEST(parse_url_test, keeps_the_path_without_its_last_slash_and_the_address_without_brackets) {
  const endpoint place = parsed("https://[::1]:8443/registry/");
  EXPECT_EQ(place.host, "::1");
  EXPECT_EQ(place.path, "/registry");
  EXPECT_EQ(place.text(), "https://[::1]:8443/registry");
  EXPECT_EQ(parsed("http://host/").path, "");
}

TEST(parse_url_test, refuses_an_invalid_url_and_never_repeats_its_password) {
  for (const char* wrong :
       {"", "host:80", "ftp://host", "http://", "http://:80", "http://host:port", "http://host:123456",
        "http://ho st", "http://[::1", "http://[::1]x", "http://host/?a=b", "http://user:s3cret@host"}) {
    const auto refused = parse_url(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code(), errc::config_invalid);
    EXPECT_EQ(refused.error().message().find("s3cret"), std::string::npos) << refused.error().message();
  }
}

TEST(url_text_test, is_encoded_by_its_position) {
  EXPECT_EQ(escaped("a/b c\xc3\xa9-_.~"), "a%2Fb%20c%C3%A9-_.~");
  EXPECT_EQ(base64("user:pass"), "dXNlcjpwYXNz");
  EXPECT_EQ(printable("a\nb\x7f"), "a b ");
  EXPECT_EQ(printable(std::string(400, 'x')), std::string(300, 'x') + "...");
}

}  // namespace
}  // namespace millrace::http
