#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
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

}  // namespace
}  // namespace vitrine::engine_link_rules_test
