#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json_reader.h"

namespace vitrine::base_json_reader_test {
namespace {

std::string StringOf(std::string_view json) {
  JsonReader in(json);
  std::string text = "old";
  in.String(text);
  EXPECT_TRUE(in.AtEnd()) << json;
  return text;
}

TEST(JsonReader, ReadsAnObjectMemberByMember) {
  JsonReader in(R"( { "a" : [1, -2.5e1 ,true] , "skip": {"x":["]}\"",{}]}, "b":null,"":"" } )");
  std::string name;
  std::vector<std::string> names;
  std::vector<double> numbers;
  in.BeginObject();
  while (in.NextMember(name)) {
    names.push_back(name);
    if (name != "a") {
      in.Skip();
      continue;
    }
    in.BeginArray();
    while (in.NextElement()) {
      numbers.push_back(in.Peek() == JsonReader::Kind::kNumber ? in.Number() : in.Boolean());
    }
  }
  EXPECT_TRUE(in.AtEnd());
  EXPECT_EQ(names, (std::vector<std::string>{"a", "skip", "b", ""}));
  EXPECT_EQ(numbers, (std::vector<double>{1, -25, 1}));
}

TEST(JsonReader, ReadsEveryEscape) {
  EXPECT_EQ(StringOf(R"("plain")"), "plain");
  EXPECT_EQ(StringOf(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(StringOf(R"("\u0041\u00e9\u20AC")"), "A\xc3\xa9\xe2\x82\xac");
  EXPECT_EQ(StringOf(R"("\ud83d\ude00")"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(StringOf(R"("\u0000")"), std::string(1, '\0'));
  // Halves of pairs stay apart.
  EXPECT_EQ(StringOf(R"("\ud800")"), "\xed\xa0\x80");
  EXPECT_EQ(StringOf(R"("\ud800\ud800\udc00")"), "\xed\xa0\x80\xf0\x90\x80\x80");
  EXPECT_EQ(StringOf(R"("\udc00\ud800")"), "\xed\xb0\x80\xed\xa0\x80");
}

TEST(JsonReader, RefusesWhatIsNoJson) {
  for (const std::string_view json :
       {"",      " ",    "{",     "[",       "[1",          "[1,",
        "[1,]",  "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}",    "{\"a\":1,}",
        "{a:1}", "\"",   "\"\\",  "\"\\x\"", "\"\\u12\"",   "\"\\u12g4\"",
        "tru",   "nul",  "1e",    "--1",     "1e999",       "-",
        "1-1",   "+1",   "[}",    "nan",     "{\"a\":[\"]}"}) {
    for (const bool skip : {false, true}) {
      JsonReader in(json);
      std::string text;
      if (skip) {
        in.Skip();
      } else if (in.Peek() == JsonReader::Kind::kArray) {
        in.BeginArray();
        while (in.NextElement()) (void)in.Number();
      } else if (in.Peek() == JsonReader::Kind::kObject) {
        in.BeginObject();
        while (in.NextMember(text)) in.Skip();
      } else if (in.Peek() == JsonReader::Kind::kString) {
        in.String(text);
      } else if (in.Peek() == JsonReader::Kind::kNumber) {
        (void)in.Number();
      } else {
        in.Skip();
      }
      // Skipping looks for the end of a container, and at nothing in it.
      const bool looks_whole =
          skip && (json == "[1,]" || json == "[,1]" || json == "[1 2]" || json == "{\"a\"}" ||
                   json == "{\"a\":}" || json == "{\"a\":1,}" || json == "{a:1}" || json == "[}" ||
                   json == "\"\\x\"" || json == "\"\\u12\"" || json == "\"\\u12g4\"");
      EXPECT_EQ(in.AtEnd(), looks_whole) << json;
    }
  }
}

TEST(JsonReader, StaysFailed) {
  JsonReader in("[x, 1]");
  in.BeginArray();
  EXPECT_TRUE(in.NextElement());
  EXPECT_EQ(in.Number(), 0);
  EXPECT_TRUE(in.failed());
  EXPECT_FALSE(in.NextElement());
  EXPECT_EQ(in.Peek(), JsonReader::Kind::kNothing);
}

TEST(JsonReader, DoesNotRecurse) {
  std::string deep(1 << 20, '[');
  JsonReader in(deep);
  in.Skip();
  EXPECT_TRUE(in.failed());
  deep += std::string(1 << 20, ']');
  JsonReader whole(deep);
  whole.Skip();
  EXPECT_TRUE(whole.AtEnd());
}

}  // namespace
}  // namespace vitrine::base_json_reader_test
