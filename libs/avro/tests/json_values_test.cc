// Scalars: numbers, strings, bytes, decimals, dates and times, and how they are written.
#include <cctype>
#include <cmath>
#include <limits>

#include "json_case.h"

namespace millrace::avro {
namespace {

constexpr const char* decimal9_2 = R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})";
constexpr const char* decimal40_10 = R"({"type":"bytes","logicalType":"decimal","precision":40,"scale":10})";
constexpr const char* rate =
    R"({"type":"fixed","name":"Rate","size":3,"logicalType":"decimal","precision":6,"scale":2})";
constexpr const char* big = R"({"type":"bytes","logicalType":"big-decimal"})";
constexpr const char* millis = R"({"type":"long","logicalType":"timestamp-millis"})";
constexpr const char* micros = R"({"type":"long","logicalType":"timestamp-micros"})";
constexpr const char* nanos = R"({"type":"long","logicalType":"timestamp-nanos"})";
constexpr const char* local = R"({"type":"long","logicalType":"local-timestamp-millis"})";
constexpr const char* day = R"({"type":"int","logicalType":"date"})";
constexpr const char* time_ms = R"({"type":"int","logicalType":"time-millis"})";
constexpr const char* uuid_text = R"({"type":"string","logicalType":"uuid"})";
constexpr const char* uuid_fixed = R"({"type":"fixed","name":"Id","size":16,"logicalType":"uuid"})";
constexpr const char* span = R"({"type":"fixed","name":"Span","size":12,"logicalType":"duration"})";

TEST(json_integers, are_whole_numbers_in_range) {
  EXPECT_EQ(read_json(R"("int")", "2147483647"), "2147483647");
  EXPECT_EQ(read_json(R"("int")", "-2147483648"), "-2147483648");
  EXPECT_EQ(read_json(R"("int")", "2147483648"),
            "malformed: $: byte 0: expected int, found a number out of range");
  EXPECT_EQ(read_json(R"("int")", "-2147483649"),
            "malformed: $: byte 0: expected int, found a number out of range");
  EXPECT_EQ(read_json(R"("long")", "9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(read_json(R"("long")", "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(read_json(R"("long")", "9223372036854775808"),
            "malformed: $: byte 0: expected long, found a number out of range");
  EXPECT_EQ(read_json(R"("long")", "-9223372036854775809"),
            "malformed: $: byte 0: expected long, found a number out of range");
  EXPECT_EQ(read_json(R"("long")", "123456789012345678"), "123456789012345678");
  EXPECT_EQ(read_json(R"("long")", "1234567890123456789"), "1234567890123456789");
  for (const char* wraps :
       {"18446744073709551616", "36893488147419103232", "184467440737095516160000000000"}) {
    EXPECT_EQ(read_json(R"("long")", wraps),
              "malformed: $: byte 0: expected long, found a number out of range")
        << "a multiple of 2^64";
  }
  EXPECT_EQ(read_json(R"("long")", "99999999999999999999"),
            "malformed: $: byte 0: expected long, found a number out of range");
  for (std::int64_t number = 1, digits = 1; digits <= 18; ++digits, number = number * 10 + digits % 10) {
    EXPECT_EQ(read_json(R"("long")", std::to_string(number)), std::to_string(number));
    EXPECT_EQ(read_json(R"("long")", std::to_string(-number) + "   "), std::to_string(-number));
  }
}

TEST(json_integers, may_be_written_as_whole_fractions_and_powers) {
  EXPECT_EQ(read_json(R"("int")", "1.0"), "1");
  EXPECT_EQ(read_json(R"("int")", "-1.50e1"), "-15");
  EXPECT_EQ(read_json(R"("long")", "1e3"), "1000");
  EXPECT_EQ(read_json(R"("long")", "9.223372036854775807E18"), "9223372036854775807");
  EXPECT_EQ(read_json(R"("long")", "12345678901234567890000e-4"), "1234567890123456789");
  EXPECT_EQ(read_json(R"("long")", "1e-0"), "1");
  EXPECT_EQ(read_json(R"("long")", "-0"), "0");
  EXPECT_EQ(read_json(R"("long")", "0e999999999999999999999"), "0");
  EXPECT_EQ(read_json(R"("int")", "1.5"),
            "malformed: $: byte 0: expected int, found a number that is not whole");
  EXPECT_EQ(read_json(R"("int")", "1e-1"),
            "malformed: $: byte 0: expected int, found a number that is not whole");
  EXPECT_EQ(read_json(R"("long")", "1e19"),
            "malformed: $: byte 0: expected long, found a number out of range");
  EXPECT_EQ(read_json(R"("long")", "1e999999999999999999999"),
            "malformed: $: byte 0: expected long, found a number out of range");
}

TEST(json_numbers, keep_to_the_grammar) {
  for (const char* bad : {"01", "-", "+1", ".5", "1.", "1.e1", "1e", "1e+", "0x1", "--1", "1_000", "- 1",
                          "Infinity", "NaN", "1.0.0", "00"}) {
    EXPECT_FALSE(std::isdigit(read_json(R"("double")", bad)[0])) << bad << read_json(R"("double")", bad);
    EXPECT_FALSE(std::isdigit(read_json(R"("long")", bad)[0])) << bad << read_json(R"("long")", bad);
  }
}

TEST(json_floats, are_the_nearest_ones) {
  const auto read = [](const char* document) {
    const schema of = schema_from(R"("double")");
    arena memory;
    double number = 0;
    const auto plan = json_decoder<double>::compile(of);
    EXPECT_TRUE(plan->decode(as_bytes(document), memory, number).ok()) << document;
    return number;
  };
  for (const char* text :
       {"0.1", "0.5317202465801857", "1.7976931348623157e308", "5e-324", "2.2250738585072014e-308",
        "9007199254740993", "123456789012345678901234567890", "1e22", "1e23", "3.14159265358979323846",
        "0.000001", "179769313486231570814527423731704356798070e267", "8.5", "1234.5678"}) {
    EXPECT_EQ(read(text), std::strtod(text, nullptr)) << text;
    EXPECT_EQ(read(("-" + std::string(text)).c_str()), -std::strtod(text, nullptr)) << text;
  }
  EXPECT_EQ(read("1e-400"), 0.0);
  EXPECT_TRUE(std::signbit(read("-0")));
  EXPECT_TRUE(std::signbit(read("-0.0")));
  EXPECT_TRUE(std::signbit(read("-1e-9999999999")));
  EXPECT_EQ(read_json(R"("double")", "1e400"),
            "malformed: $: byte 0: expected double, found a number out of range");
  EXPECT_EQ(read_json(R"("double")", "-1e99999999999"),
            "malformed: $: byte 0: expected double, found a number out of range");
  EXPECT_EQ(read_json(R"("float")", "3.4028235e38"), "3.4028235e+38");
  EXPECT_EQ(read_json(R"("float")", "3.4028236e38"),
            "malformed: $: byte 0: expected float, found a number out of range");
  EXPECT_EQ(read_json(R"("float")", "0.1"), "0.1");
  EXPECT_EQ(read_json(R"("float")", "1e-60"), "0");
}

TEST(json_floats, that_are_not_finite_are_texts) {
  for (const char* type : {R"("double")", R"("float")"}) {
    for (const char* text : {R"("NaN")", R"("Infinity")", R"("-Infinity")"}) {
      EXPECT_EQ(read_json(type, text), text);
      EXPECT_EQ(rewrite_json(type, text), text);
    }
    EXPECT_NE(read_json(type, R"("nan")").find("a string other than NaN, Infinity and -Infinity"),
              std::string::npos);
  }
}

TEST(json_numbers, are_written_so_that_they_are_read_as_themselves) {
  EXPECT_EQ(rewrite_json(R"("double")", "5"), "5.0");
  EXPECT_EQ(rewrite_json(R"("double")", "-0.0"), "-0.0");
  EXPECT_EQ(rewrite_json(R"("double")", "1e300"), "1e+300");
  EXPECT_EQ(rewrite_json(R"("float")", "0.3"), "0.3");
  EXPECT_EQ(rewrite_json(R"("long")", "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(rewrite_json(R"("boolean")", "true"), "true");
  EXPECT_EQ(rewrite_json(R"("null")", "null"), "null");
  EXPECT_EQ(read_json(R"("boolean")", "tru"), "malformed: $: byte 0: expected boolean, found no value");
  EXPECT_EQ(read_json(R"("boolean")", "\"true\""), "malformed: $: byte 0: expected boolean, found a string");
}

TEST(json_strings, are_unescaped) {
  EXPECT_EQ(read_json(R"("string")", R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00")"),
            "\"\\\"\\\\/\\u0008\\u000c\\u000a\\u000d\\u0009A\u00e9\u20ac\U0001F600\"");
  for (std::size_t size : {0U, 1U, 14U, 15U, 16U, 17U, 31U, 32U, 33U, 63U, 64U, 100U, 8192U}) {
    const std::string plain(size, 'x');
    EXPECT_EQ(read_json(R"("string")", '"' + plain + '"'), '"' + plain + '"') << size;
    EXPECT_EQ(read_json(R"("string")", '"' + plain + "\\n\u00e9" + plain + '"'),
              '"' + plain + "\\u000a\u00e9" + plain + '"')
        << size;
  }
  EXPECT_EQ(rewrite_json(R"("string")", R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u0000")"),
            "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\tA\u00e9\\u0000\"");
}

TEST(json_strings, that_are_not_json_or_utf8_are_refused) {
  const auto refused = [](std::string_view document) {
    return read_json(R"("string")", document).substr(0, 12);
  };
  EXPECT_EQ(refused("\"\x80\""), "invalid_utf8");
  EXPECT_EQ(refused("\"0123456789abcdef0123\xC0\xAF\""), "invalid_utf8") << "overlong";
  EXPECT_EQ(refused("\"\xED\xA0\x80\""), "invalid_utf8") << "a surrogate";
  EXPECT_EQ(refused("\"\\n\xF5\x80\x80\x80\""), "invalid_utf8") << "beside an escape";
  EXPECT_EQ(refused("\"\xE2\x82\""), "invalid_utf8") << "cut off by the quote";
  EXPECT_EQ(refused("\"\xE2\\u0082\xAC\""), "invalid_utf8") << "an escape inside a character";
  EXPECT_EQ(refused(R"("\ud800")"), "invalid_utf8");
  EXPECT_EQ(refused(R"("\udc00\ud800")"), "invalid_utf8");
  EXPECT_EQ(refused(R"("\ud800\u0041")"), "invalid_utf8");
  EXPECT_EQ(refused(R"("\ud800x\udc00")"), "invalid_utf8");
  EXPECT_EQ(refused("\"a\nb\""), "malformed: $");
  EXPECT_EQ(refused(std::string_view("\"a\0b\"", 5)), "malformed: $");
  EXPECT_EQ(refused(R"("\x41")"), "malformed: $");
  EXPECT_EQ(refused(R"("\u12g4")"), "malformed: $");
  EXPECT_EQ(refused(R"('a')"), "malformed: $");
  EXPECT_EQ(refused(R"("a)"), "truncated: $");
  EXPECT_EQ(refused(R"("a\)"), "truncated: $");
  EXPECT_EQ(refused(R"("a\")"), "truncated: $");
  EXPECT_EQ(refused(R"("a\u00)"), "truncated: $");
}

TEST(json_enums, are_symbols) {
  constexpr const char* kind = R"({"type":"enum","name":"n.K","symbols":["A","B_LONGER_ONE"]})";
  EXPECT_EQ(rewrite_json(kind, R"("B_LONGER_ONE")"), R"("B_LONGER_ONE")");
  EXPECT_EQ(rewrite_json(kind, R"("\u0041")"), R"("A")");
  EXPECT_EQ(read_json(kind, R"("C")"),
            "unresolvable: $: byte 0: expected a symbol of n.K, found another string");
  EXPECT_EQ(read_json(kind, "0"), "malformed: $: byte 0: expected n.K, found a number");
  EXPECT_EQ(read_json(R"({"type":"enum","name":"K","symbols":["A","B"],"default":"B"})", R"("C")"), R"("B")");
}

TEST(json_bytes, have_three_forms) {
  constexpr const char* four = R"({"type":"fixed","name":"Four","size":4})";
  const json_options latin{.limits = {}, .bytes = json_bytes::latin1};
  const json_options hex_digits{.limits = {}, .bytes = json_bytes::hexadecimal};
  EXPECT_EQ(read_json(R"("bytes")", R"("AP/+")"), R"("00fffe")");
  EXPECT_EQ(rewrite_json(R"("bytes")", R"("AP/+")"), R"("AP/+")");
  EXPECT_EQ(rewrite_json(R"("bytes")", R"("AP8=")"), R"("AP8=")");
  EXPECT_EQ(rewrite_json(R"("bytes")", R"("\u0041A==")"), R"("AA==")");
  EXPECT_EQ(rewrite_json(R"("bytes")", R"("")"), R"("")");
  for (const char* bad : {R"("A")", R"("AA")", R"("AB==")", R"("AAB=")", R"("A===")", R"("====")",
                          R"("AA=A")", R"("AP_-")", R"("AAAA=")", R"("A A=")", "\"\u00e9AA\""}) {
    EXPECT_NE(read_json(R"("bytes")", bad).find("found a string that is not base64 with padding"),
              std::string::npos)
        << bad;
  }
  EXPECT_EQ(read_json(R"("bytes")", "\"\u00ffa\\u0000\"", latin), R"("ff6100")");
  EXPECT_EQ(rewrite_json(R"("bytes")", "\"\u00ffa\\u0000\\n\\\"\"", latin), "\"\u00ffa\\u0000\\n\\\"\"");
  EXPECT_NE(read_json(R"("bytes")", "\"\u0100\"", latin).find("a character above U+00FF"), std::string::npos);
  EXPECT_EQ(rewrite_json(R"("bytes")", R"("00fFA0")", hex_digits), R"("00ffa0")");
  EXPECT_NE(read_json(R"("bytes")", R"("0")", hex_digits).find("pairs of hexadecimal digits"),
            std::string::npos);
  EXPECT_NE(read_json(R"("bytes")", R"("0g")", hex_digits).find("pairs of hexadecimal digits"),
            std::string::npos);
  EXPECT_EQ(rewrite_json(four, R"("AAECAw==")"), R"("AAECAw==")");
  EXPECT_EQ(read_json(four, R"("AAEC")"), "malformed: $: byte 0: expected Four, found 3 bytes instead of 4");
  const std::string bytes(1000, 'Q');
  EXPECT_EQ(rewrite_json(R"("bytes")", '"' + bytes + '"'), '"' + bytes + '"');
}

TEST(json_decimals, are_exact) {
  EXPECT_EQ(read_json(decimal9_2, "19.99"), R"("19.99")");
  EXPECT_EQ(read_json(decimal9_2, R"("19.99")"), R"("19.99")");
  EXPECT_EQ(read_json(decimal9_2, "-0.01"), R"("-0.01")");
  EXPECT_EQ(read_json(decimal9_2, "0"), R"("0.00")");
  EXPECT_EQ(read_json(decimal9_2, "1.2300"), R"("1.23")");
  EXPECT_EQ(read_json(decimal9_2, "1.28e4"), R"("12800.00")");
  EXPECT_EQ(read_json(decimal9_2, "9999999.99"), R"("9999999.99")");
  EXPECT_EQ(read_json(decimal9_2, "1.234"),
            "malformed: $: byte 0: expected decimal, found a number with more decimals than the scale of 2");
  EXPECT_EQ(
      read_json(decimal9_2, "10000000"),
      "malformed: $: byte 0: expected decimal, found a number with more digits than the precision of 9");
  EXPECT_EQ(
      read_json(decimal9_2, "1e2000000000"),
      "malformed: $: byte 0: expected decimal, found a number with more digits than the precision of 9");
  EXPECT_EQ(read_json(decimal9_2, R"("1,5")"),
            "malformed: $: byte 0: expected decimal, found a string that is not a number");
  EXPECT_EQ(read_json(decimal9_2, R"("")"),
            "malformed: $: byte 0: expected decimal, found a string that is not a number");
  for (const char* text : {"123456789012345678901234567890.0123456789", "-99999999999999999999.9999999999",
                           "18446744073709551616.0000000000", "-0.0000000128", "0.0000000127"}) {
    EXPECT_EQ(read_json(decimal40_10, text), '"' + std::string(text) + '"');
    EXPECT_EQ(rewrite_json(decimal40_10, '"' + std::string(text) + '"'), '"' + std::string(text) + '"');
  }
  EXPECT_EQ(read_json(rate, "-327.68"), R"("-327.68")");
  EXPECT_EQ(read_json(rate, "9999.99"), R"("9999.99")");
  EXPECT_EQ(read_json(big, "1.50"), R"("1.50")");
  EXPECT_EQ(read_json(big, R"("-12345678901234567890.5")"), R"("-12345678901234567890.5")");
  EXPECT_EQ(read_json(big, "1e3"), R"("1000")");
  EXPECT_EQ(read_json(big, "1e-5000"),
            "malformed: $: byte 0: expected big-decimal, found a number that is too large");
}

TEST(json_decimals, survive_at_the_borders_of_bytes) {
  for (const char* text : {"1.27", "1.28", "-1.28", "-1.29", "2.55", "2.56", "327.67", "327.68", "-327.68",
                           "-327.69", "83886.07", "83886.08", "-83886.08"}) {
    EXPECT_EQ(rewrite_json(decimal9_2, text), '"' + std::string(text) + '"');
    const json_options number{.limits = {}, .decimals = json_decimals::number};
    EXPECT_EQ(rewrite_json(decimal9_2, text, number), text);
  }
}

TEST(json_times, are_numbers_or_rfc_3339_texts) {
  EXPECT_EQ(read_json(millis, "1760000000123"), R"("2025-10-09T08:53:20.123Z")");
  EXPECT_EQ(read_json(millis, R"("2025-10-09T08:53:20.123Z")"), R"("2025-10-09T08:53:20.123Z")");
  EXPECT_EQ(read_json(millis, R"("2025-10-09t10:53:20.1+02:00")"), R"("2025-10-09T08:53:20.100Z")");
  EXPECT_EQ(read_json(millis, R"("2025-10-09 03:23:20-05:30")"), R"("2025-10-09T08:53:20.000Z")");
  EXPECT_EQ(read_json(millis, R"("1969-12-31T23:59:59.9999Z")"), R"("1969-12-31T23:59:59.999Z")")
      << "more digits than the unit has are cut off";
  EXPECT_EQ(read_json(micros, R"("2025-10-09T08:53:20.1234567z")"), R"("2025-10-09T08:53:20.123456Z")");
  EXPECT_EQ(read_json(nanos, R"("1677-09-21T00:12:43.145224192Z")"), R"("1677-09-21T00:12:43.145224192Z")");
  EXPECT_EQ(read_json(nanos, R"("2262-04-11T23:47:16.854775807Z")"), R"("2262-04-11T23:47:16.854775807Z")");
  EXPECT_EQ(read_json(nanos, R"("2262-04-11T23:47:16.854775808Z")"),
            "malformed: $: byte 0: expected timestamp-nanos, found a text out of range");
  EXPECT_EQ(read_json(local, R"("2025-10-09T08:53:20")"), R"("2025-10-09T08:53:20.000")");
  EXPECT_EQ(read_json(day, R"("2024-02-29")"), R"("2024-02-29")");
  EXPECT_EQ(read_json(day, "-1"), R"("1969-12-31")");
  EXPECT_EQ(read_json(time_ms, R"("23:59:59.5")"), R"("23:59:59.500")");
  EXPECT_EQ(read_json(millis, "1.76e12"), R"("2025-10-09T08:53:20.000Z")");
}

TEST(json_times, of_another_form_are_refused) {
  EXPECT_EQ(
      read_json(millis, R"("2025-10-09T08:53:20")"),
      "malformed: $: byte 0: expected timestamp-millis, found a text without an offset from UTC, such as Z");
  EXPECT_EQ(
      read_json(local, R"("2025-10-09T08:53:20Z")"),
      "malformed: $: byte 0: expected local-timestamp-millis, found a text with an offset from UTC, which a "
      "local time does not have");
  for (const char* bad :
       {"2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-10-09T24:00:00Z", "2025-10-09T08:60:00Z",
        "2025-10-09T08:53:60Z", "2025-10-09T08:53Z", "2025-10-09T08:53:20.Z", "2025-10-09",
        "2025-10-09T08:53:20+2", "2025-10-09T08:53:20+02:60", "2025-10-09T08:53:20Zx",
        "+2025-10-09T08:53:20Z", "20251009T085320Z", "", "1760000000123"}) {
    EXPECT_EQ(read_json(millis, '"' + std::string(bad) + '"'),
              "malformed: $: byte 0: expected timestamp-millis, found a text that is not one by RFC 3339")
        << bad;
  }
  EXPECT_EQ(read_json(day, "2147483648"), "malformed: $: byte 0: expected date, found a number out of range");
  EXPECT_EQ(read_json(day, R"("2025-10-9")"),
            "malformed: $: byte 0: expected date, found a text that is not one by RFC 3339");
  EXPECT_EQ(read_json(time_ms, R"("24:00:00")"),
            "malformed: $: byte 0: expected time-millis, found a text that is not one by RFC 3339");
}

TEST(json_times, are_written_as_numbers_or_texts) {
  const json_options texts{.limits = {}, .times = json_times::text};
  EXPECT_EQ(rewrite_json(millis, R"("2025-10-09T08:53:20.123Z")"), "1760000000123");
  for (const char* type : {millis, micros, nanos}) {
    EXPECT_EQ(rewrite_json(type, R"("2025-10-09T08:53:20Z")", texts).substr(0, 20),
              R"("2025-10-09T08:53:20)");
  }
  EXPECT_EQ(rewrite_json(day, "3", texts), R"("1970-01-04")");
  EXPECT_EQ(rewrite_json(millis, "9223372036854775807", texts), "9223372036854775807")
      << "no year of four digits";
  EXPECT_EQ(rewrite_json(time_ms, "1", texts), R"("00:00:00.001")");
}

TEST(json_uuids, are_texts) {
  constexpr const char* id = R"("0c5c7fd0-a6a3-a450-6513-270e269e0d37")";
  EXPECT_EQ(rewrite_json(uuid_text, id), id);
  EXPECT_EQ(rewrite_json(uuid_fixed, id), id);
  EXPECT_EQ(rewrite_json(uuid_fixed, R"("0C5C7FD0-A6A3-A450-6513-270E269E0D37")"), id);
  EXPECT_EQ(rewrite_json(uuid_fixed, R"("\u0030c5c7fd0-a6a3-a450-6513-270e269e0d37")"), id);
  for (const char* bad :
       {R"("0c5c7fd0a6a3a4506513270e269e0d37")", R"("")", R"("0c5c7fd0-a6a3-a450-6513-270e269e0d3g")",
        R"("{0c5c7fd0-a6a3-a450-6513-270e269e0d37}")"}) {
    EXPECT_NE(read_json(uuid_text, bad).find("another form than 8-4-4-4-12"), std::string::npos) << bad;
    EXPECT_NE(read_json(uuid_fixed, bad).find("another form than 8-4-4-4-12"), std::string::npos) << bad;
  }
}

TEST(json_durations, are_objects) {
  constexpr const char* whole = R"({"months":1,"days":2,"millis":4294967295})";
  EXPECT_EQ(rewrite_json(span, whole), whole);
  EXPECT_EQ(rewrite_json(span, R"({ "millis" : 3.0 , "other" : [1] })"),
            R"({"months":0,"days":0,"millis":3})");
  EXPECT_EQ(rewrite_json(span, "{}"), R"({"months":0,"days":0,"millis":0})");
  EXPECT_EQ(
      read_json(span, R"({"days":-1})"),
      "malformed: $.days: byte 8: expected duration, found a number that is not between 0 and 4294967295");
  EXPECT_EQ(read_json(span, R"({"days":1,"days":1})"),
            "malformed: $: byte 10: a part of the duration is given twice");
}

TEST(json_collections, of_many_items_are_read) {
  for (const int count : {0, 1, 63, 64, 65, 8191, 8192, 20'000}) {
    std::string list = "[";
    std::string map = "{";
    for (int i = 0; i < count; ++i) {
      list += (i != 0 ? "," : "") + std::to_string(i);
      map += (i != 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":\"v\"";
    }
    list += "]";
    map += "}";
    EXPECT_EQ(rewrite_json(R"({"type":"array","items":"long"})", list), list) << count;
    EXPECT_EQ(rewrite_json(R"({"type":"map","values":"string"})", map), map) << count;
    EXPECT_EQ(rewrite_json(R"({"type":"array","items":{"type":"array","items":"long"}})",
                           "[" + list + "," + list + "]"),
              "[" + list + "," + list + "]")
        << count;
  }
}

}  // namespace
}  // namespace millrace::avro
