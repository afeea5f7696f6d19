// Filters as text, and payloads as fields see them.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/filter.h"
#include "engine/payload_fields.h"

namespace vitrine::filter_parse_test {
namespace {

Fields AllFields() {
  Fields fields;
  for (size_t i = 0; i < std::size(kFieldTypeNames); ++i) {
    fields.push_back({std::string(kFieldTypeNames[i]), static_cast<FieldType>(i)});
  }
  EXPECT_TRUE(ArrangeFields(fields).ok());
  return fields;
}

std::string MessageOf(std::string_view text, ErrorCode code = ErrorCode::kFilter) {
  const Result<Filter> filter = Filter::Parse(text, AllFields());
  EXPECT_FALSE(filter.ok()) << text;
  if (filter.ok()) return "";
  EXPECT_EQ(ErrorCodeName(filter.status().code()), ErrorCodeName(code)) << text;
  return filter.status().message();
}

TEST(Filter, ReadsATree) {
  const Result<Filter> filter = Filter::Parse(
      R"(["and", ["in","keyword","a","b"], ["not",["range","date","1970-01-02",false,null,true]],
          ["or"], ["exists","number"], ["in","boolean",true], ["in","integer",-0,2.5]])",
      AllFields());
  ASSERT_TRUE(filter.ok()) << filter.status().message();
  const Filter::Node& root = filter->root();
  ASSERT_EQ(root.parts.size(), 6u);
  EXPECT_EQ(root.parts[0].texts, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(root.parts[1].kind, Filter::Kind::kNot);
  const Filter::Node& range = root.parts[1].parts[0];
  EXPECT_EQ(range.numbers,
            (std::vector<NumberRange>{{86'400'000, NumberRange().high, false, true}}));
  EXPECT_TRUE(root.parts[2].parts.empty());
  EXPECT_EQ(root.parts[3].field, "number");
  EXPECT_EQ(root.parts[4].texts, (std::vector<std::string>{"true"}));
  EXPECT_EQ(root.parts[5].numbers[0], NumberRange::Only(0));
}

TEST(Filter, SaysWhatIsWrong) {
  EXPECT_NE(MessageOf(R"(["exists","lang"])").find("'lang'"), std::string::npos);
  EXPECT_NE(MessageOf(R"(["exists","lang"])").find("addField"), std::string::npos);
  EXPECT_NE(MessageOf(R"(["in","keyword",1])").find("a string"), std::string::npos);
  EXPECT_NE(MessageOf(R"(["in","integer","1"])").find("declared as integer"), std::string::npos);
  EXPECT_NE(MessageOf(R"(["in","date",1])").find("ISO 8601"), std::string::npos);
  EXPECT_NE(MessageOf(R"(["in","date","soon"])").find("ISO 8601"), std::string::npos);
  EXPECT_NE(MessageOf(R"(["in","boolean","true"])").find("true or false"), std::string::npos);
  EXPECT_NE(MessageOf(R"(["range","keyword","a",true,null,true])").find("only integers"),
            std::string::npos);
  for (const char* const text :
       {"", "{}", "[]", "1", R"(["xor"])", R"(["not"])", R"(["not",["and"],["and"]])", R"(["in"])",
        R"(["exists"])", R"(["exists","number",1])", R"(["range","number"])", R"(["and"]x)",
        R"(["range","number",1,true])", R"(["range","number",1,true,2,true,3])", R"(["and",1])",
        R"(["range","number",1,1,2,true])", R"(["in","number",1,)", R"(["and",["or"])"}) {
    (void)MessageOf(text);
  }
}

TEST(Filter, IsNeitherTooDeepNorTooLong) {
  const auto nested = [](size_t depth) {
    std::string text = R"(["and"])";
    for (size_t i = 1; i < depth; ++i) text = "[\"not\"," + text + "]";
    return text;
  };
  EXPECT_TRUE(Filter::Parse(nested(kMaxFilterDepth), AllFields()).ok());
  EXPECT_NE(MessageOf(nested(kMaxFilterDepth + 1)).find("nested"), std::string::npos);
  (void)MessageOf(std::string(kMaxFilterBytes, '['));
  (void)MessageOf(std::string(kMaxFilterBytes + 1, '['), ErrorCode::kTooLarge);
}

Status CheckPayload(const std::string& payload) {
  PayloadFields reader;
  return reader.Check(AllFields(), std::as_bytes(std::span(payload)), PointKey::Text("p"));
}

TEST(PayloadFields, TakesWhatIsDeclared) {
  for (const char* const payload :
       {"{}", R"({"other":[{"keyword":5}]})", R"({"keyword":null,"date":null})",
        R"({"keyword":"","keyword[]":[],"integer":-9007199254740991,"number":-1.5e300})",
        R"({"keyword[]":["a","a"],"boolean":false,"date":"2024-02-29"})",
        R"({"date":{"$date":"2024-02-29T00:00:00.000Z"},"integer":1e3})"}) {
    const Status status = CheckPayload(payload);
    EXPECT_TRUE(status.ok()) << payload << ": " << status.message();
  }
}

TEST(PayloadFields, NamesTheFieldThatHasSomethingElse) {
  const std::pair<const char*, const char*> wrong[] = {
      {R"({"keyword":5})", "keyword"},
      {R"({"keyword":["a"]})", "keyword"},
      {R"({"keyword[]":"a"})", "keyword[]"},
      {R"({"keyword[]":["a",1]})", "keyword[]"},
      {R"({"keyword[]":[null]})", "keyword[]"},
      {R"({"integer":1.5})", "integer"},
      {R"({"integer":9007199254740992})", "integer"},
      {R"({"integer":"1"})", "integer"},
      {R"({"number":"1"})", "number"},
      {R"({"boolean":0})", "boolean"},
      {R"({"date":0})", "date"},
      {R"({"date":"soon"})", "date"},
      {R"({"date":{}})", "date"},
      {R"({"date":{"$date":5}})", "date"},
      {R"({"date":{"$date":"2024-02-29","x":1}})", "date"},
      {R"({"number":1,"keyword":{},"number":2})", "keyword"},
  };
  for (const auto& [payload, field] : wrong) {
    const Status status = CheckPayload(payload);
    ASSERT_FALSE(status.ok()) << payload;
    EXPECT_EQ(status.code(), ErrorCode::kPayload) << payload;
    const std::string expected = "field '" + std::string(field) + "' of point \"p\" has ";
    EXPECT_TRUE(status.message().starts_with(expected)) << status.message();
  }
  for (const char* const payload : {"", "[]", "5", "{", R"({"number":1}x)", R"({"number":})"}) {
    EXPECT_EQ(CheckPayload(payload).code(), ErrorCode::kPayload) << payload;
  }
}

}  // namespace
}  // namespace vitrine::filter_parse_test
