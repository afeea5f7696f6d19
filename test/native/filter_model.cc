#include "filter_model.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vitrine {
namespace {

const char* const kLanguages[] = {"en", "de", "", "\\u00e9\\\"", "\\ud83d\\ude00"};
const char* const kTags[] = {"a", "b", "c", "d"};

std::string DateOf(int day) {
  return "\"2024-01-" + std::string(day < 9 ? "0" : "") + std::to_string(day + 1) +
         (day % 2 == 0 ? "" : "T00:00Z") + "\"";
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// A leaf that compares one number.
ModelFilter Range(std::mt19937_64& random, const std::string& field, int most,
                  const std::function<std::optional<double>(const ModelPayload&)>& value,
                  const std::function<std::string(int)>& literal) {
  const int low = static_cast<int>(random() % most);
  const int high = static_cast<int>(random() % most);
  const bool has_low = random() % 4 != 0;
  const bool has_high = random() % 4 != 0;
  const bool low_in = random() % 2 == 0;
  const bool high_in = random() % 2 == 0;
  const auto word = [](bool truth) { return truth ? ",true" : ",false"; };
  return {"[\"range\"," + Quoted(field) + "," + (has_low ? literal(low) : "null") + word(low_in) +
              "," + (has_high ? literal(high) : "null") + word(high_in) + "]",
          [=](const ModelPayload& payload) {
            const std::optional<double> number = value(payload);
            if (!number) return false;
            if (has_low && (low_in ? *number < low : *number <= low)) return false;
            return !has_high || (high_in ? *number <= high : *number < high);
          }};
}

std::optional<double> YearOf(const ModelPayload& payload) {
  if (!payload.year) return {};
  return static_cast<double>(*payload.year);
}
std::optional<double> DayOf(const ModelPayload& payload) {
  if (!payload.day) return {};
  return *payload.day;
}

ModelFilter RandomLeaf(std::mt19937_64& random) {
  const auto number = [](int value) { return std::to_string(value); };
  switch (random() % 10) {
    case 0: {
      const std::string lang = kLanguages[random() % std::size(kLanguages)];
      return {"[\"in\",\"lang\"," + Quoted(lang) + "]",
              [lang](const ModelPayload& payload) { return payload.lang == lang; }};
    }
    case 1: {
      const std::string a = kTags[random() % std::size(kTags)];
      const std::string b = kTags[random() % std::size(kTags)];
      return {"[\"in\",\"tags\"," + Quoted(a) + "," + Quoted(b) + "]",
              [a, b](const ModelPayload& payload) {
                return payload.tags &&
                       std::any_of(payload.tags->begin(), payload.tags->end(),
                                   [&](const std::string& tag) { return tag == a || tag == b; });
              }};
    }
    case 2: {
      const int64_t year = static_cast<int64_t>(random() % 20);
      return {"[\"in\",\"year\"," + std::to_string(year) + ",0.5]",
              [year](const ModelPayload& payload) { return payload.year == year; }};
    }
    case 3: {
      const bool done = random() % 2 == 0;
      return {std::string("[\"in\",\"done\",") + (done ? "true]" : "false]"),
              [done](const ModelPayload& payload) { return payload.done == done; }};
    }
    case 4:
      return {"[\"in\",\"price\"]", [](const ModelPayload&) { return false; }};
    case 5:
      return {"[\"exists\",\"tags\"]",
              [](const ModelPayload& payload) { return payload.tags.has_value(); }};
    case 6:
      return {"[\"exists\",\"day\"]",
              [](const ModelPayload& payload) { return payload.day.has_value(); }};
    case 7:
      return Range(random, "year", 20, YearOf, number);
    case 8:
      return Range(
          random, "price", 100, [](const ModelPayload& p) { return p.price; }, number);
    default:
      return Range(random, "day", 28, DayOf, DateOf);
  }
}

}  // namespace

std::string ModelPayload::Json() const {
  std::string json = "{\"unknown\":[1,{\"lang\":\"en\"}]";
  if (lang) json += ",\"lang\":" + Quoted(*lang);
  if (tags) {
    json += ",\"tags\":[";
    for (size_t i = 0; i < tags->size(); ++i) json += (i == 0 ? "" : ",") + Quoted((*tags)[i]);
    json += "]";
  }
  if (year) json += ",\"year\":" + std::to_string(*year);
  if (price) json += ",\"price\":" + std::to_string(*price);
  if (done) json += std::string(",\"done\":") + (*done ? "true" : "false");
  if (day && *day % 3 == 0) {
    json += ",\"day\":{\"$date\":" + DateOf(*day) + "}";
  } else if (day) {
    json += ",\"day\":" + DateOf(*day);
  } else {
    json += ",\"day\":null";
  }
  return json + "}";
}

Fields ModelFields() {
  Fields fields = {{"lang", FieldType::kKeyword}, {"tags", FieldType::kKeywords},
                   {"year", FieldType::kInteger}, {"price", FieldType::kNumber},
                   {"done", FieldType::kBoolean}, {"day", FieldType::kDate}};
  EXPECT_TRUE(ArrangeFields(fields).ok());
  return fields;
}

ModelPayload RandomPayload(std::mt19937_64& random) {
  ModelPayload payload;
  const auto present = [&] { return random() % 8 != 0; };
  if (present()) payload.lang = kLanguages[random() % std::size(kLanguages)];
  if (present()) {
    payload.tags.emplace();
    for (size_t count = random() % 4; count > 0; --count) {
      payload.tags->emplace_back(kTags[random() % std::size(kTags)]);
    }
  }
  if (present()) payload.year = static_cast<int64_t>(random() % 20);
  if (present()) payload.price = static_cast<double>(random() % 1000) / 8;
  if (present()) payload.done = random() % 2 == 0;
  if (present()) payload.day = static_cast<int>(random() % 28);
  return payload;
}

ModelFilter RandomFilter(std::mt19937_64& random, int depth) {
  if (depth == 0 || random() % 4 == 0) return RandomLeaf(random);
  if (random() % 4 == 0) {
    const ModelFilter part = RandomFilter(random, depth - 1);
    return {"[\"not\"," + part.text + "]",
            [part](const ModelPayload& payload) { return !part.admits(payload); }};
  }
  const bool is_and = random() % 2 == 0;
  std::vector<ModelFilter> parts;
  std::string text = is_and ? "[\"and\"" : "[\"or\"";
  for (size_t count = random() % 4; count > 0; --count) {
    parts.push_back(RandomFilter(random, depth - 1));
    text += "," + parts.back().text;
  }
  return {text + "]", [parts, is_and](const ModelPayload& payload) {
            const auto admits = [&](const ModelFilter& part) { return part.admits(payload); };
            return is_and ? std::all_of(parts.begin(), parts.end(), admits)
                          : std::any_of(parts.begin(), parts.end(), admits);
          }};
}

}  // namespace vitrine
