#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "engine/link_rules.h"
#include "random_data.h"

namespace vitrine::engine_link_rules_test {
namespace {

constexpr uint32_t kPoints = 5000;
constexpr uint32_t kNode = 7;

LinkRules RulesOf(size_t width, size_t degree) {
  LinkRules rules(kPoints, width, degree);
  for (uint32_t point = 0; point < kPoints; ++point) rules.AddNode(point);
  return rules;
}

// Links to different nodes, none of them kNode.
std::vector<uint32_t> DifferentLinks(size_t count, std::mt19937_64& random) {
  std::vector<uint32_t> nodes(kPoints);
  std::iota(nodes.begin(), nodes.end(), 0u);
  nodes.erase(nodes.begin() + kNode);
  std::shuffle(nodes.begin(), nodes.end(), random);
  nodes.resize(count);
  return nodes;
}

TEST(LinkRules, TakeAnyLinksThatAreDifferent) {
  std::mt19937_64 random(TestSeed());
  for (const size_t width : {16u, 32u, 256u}) {
    const LinkRules rules = RulesOf(width, width);
    for (int round = 0; round < 50; ++round) {
      EXPECT_EQ(rules.Check(kNode, DifferentLinks(width, random)), "");
    }
  }
}

TEST(LinkRules, FindALinkThatIsThereTwiceWhereverItIs) {
  constexpr size_t kWidth = 32;
  const LinkRules rules = RulesOf(kWidth, kWidth);
  std::mt19937_64 random(TestSeed());
  for (size_t first = 0; first < kWidth; ++first) {
    for (size_t second = first + 1; second < kWidth; ++second) {
      std::vector<uint32_t> links = DifferentLinks(kWidth, random);
      links[second] = links[first];
      ASSERT_EQ(rules.Check(kNode, links), "a row has a link twice") << first << " " << second;
    }
  }
}

// What the rules say, word by word.
std::string_view Expected(const LinkRules& rules, std::span<const uint32_t> words, size_t degree) {
  std::vector<uint32_t> links;
  for (const uint32_t word : words) {
    if (word == kNoSlot) continue;
    const Slot target = Links::Target(word);
    if (target == kNode || !rules.IsNode(target)) return "a link leads nowhere";
    if (Links::IsLink(word)) links.push_back(word);
  }
  if (links.size() > degree) return "a row has too many links";
  std::sort(links.begin(), links.end());
  return std::adjacent_find(links.begin(), links.end()) == links.end() ? ""
                                                                       : "a row has a link twice";
}

TEST(LinkRules, HoldForRowsOfLinksFillEdgesAndEmptyWordsInAnyOrder) {
  constexpr size_t kWidth = 32;
  constexpr size_t kDegree = 20;
  LinkRules rules(kPoints, kWidth, kDegree);
  for (uint32_t point = 0; point < kPoints; ++point) {
    if (point % 100 != 1) rules.AddNode(point);
  }
  std::mt19937_64 random(TestSeed());
  std::map<std::string_view, int> seen;
  for (int round = 0; round < 1000; ++round) {
    std::vector<uint32_t> words = DifferentLinks(kWidth, random);
    for (uint32_t& word : words) {
      const uint64_t kind = random() % 8;
      if (word % 100 == 1) ++word;
      if (kind >= 5) word = kind == 7 ? kNoSlot : word | Links::kFill;
    }
    const uint32_t faults[] = {kNode,       kNode | Links::kFill,    101,      101 | Links::kFill,
                               kPoints,     kPoints | Links::kFill,  words[0], kNoSlot,
                               kNoSlot - 1, kNoSlot & ~Links::kFill, words[1], words[2]};
    words[random() % kWidth] = faults[random() % std::size(faults)];
    const std::string_view expected = Expected(rules, words, kDegree);
    ASSERT_EQ(rules.Check(kNode, words), expected) << round;
    ++seen[expected];
  }
  EXPECT_EQ(seen.size(), 4u);
}

}  // namespace
}  // namespace vitrine::engine_link_rules_test
