#include "exposition/text_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "stats/histogram_formats.h"

namespace vitrine {
namespace {

enum class Dialect : uint8_t { kPrometheus, kOpenMetrics };

// Escapes the backslash, the end of a line and, where asked for, the quotation mark: at most two
// bytes for each. Returns where they end.
char* WriteEscaped(std::string_view text, bool quotes, char* to) {
  for (const char c : text) {
    if (c == '\\' || c == '\n' || (quotes && c == '"')) {
      *to++ = '\\';
      *to++ = c == '\n' ? 'n' : c;
    } else {
      *to++ = c;
    }
  }
  return to;
}

char* Write(std::string_view text, char* to) {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

// Renders one family after the other, and keeps what they have in common.
class TextRenderer {
 public:
  TextRenderer(const MetricSet& set, Dialect dialect, OutputBuffer& out)
      : set_(set), dialect_(dialect), out_(out) {}

  void Render(const ExportedFamily& family) {
    if (family.samples.empty()) return;
    name_ = StemOf(family);
    AddDescription(family);
    for (const Sample& sample : family.samples) {
      labels_.Clear();
      AddLabels(sample);
      if (family.type == SeriesType::kHistogram) {
        AddHistogram(sample);
      } else if (family.type == SeriesType::kSummary) {
        AddSummary(sample);
      } else {
        AddLine(SampleSuffixOf(family), sample.value);
      }
    }
  }

 private:
  // OpenMetrics names a family without the suffix of its samples.
  std::string_view StemOf(const ExportedFamily& family) const {
    std::string_view stem = family.name;
    stem.remove_suffix(SampleSuffixOf(family).size());
    return stem;
  }
  std::string_view SampleSuffixOf(const ExportedFamily& family) const {
    return dialect_ == Dialect::kOpenMetrics ? SuffixOf(family.type) : std::string_view();
  }

  void AddDescription(const ExportedFamily& family) {
    if (!family.help.empty()) {
      out_.Add("# HELP ");
      out_.Add(name_);
      out_.Add(' ');
      const bool quotes = dialect_ == Dialect::kOpenMetrics;
      out_.Filled(WriteEscaped(family.help, quotes, out_.Room(family.help.size() * 2)));
      out_.Add('\n');
    }
    out_.Add("# TYPE ");
    out_.Add(name_);
    out_.Add(' ');
    // Prometheus' own format knows neither.
    const bool is_gauge =
        dialect_ == Dialect::kPrometheus &&
        (family.type == SeriesType::kInfo || family.type == SeriesType::kStateSet);
    out_.Add(is_gauge ? "gauge" : kSeriesTypeNames[static_cast<size_t>(family.type)]);
    out_.Add('\n');
    if (dialect_ == Dialect::kPrometheus || family.unit.empty()) return;
    out_.Add("# UNIT ");
    out_.Add(name_);
    out_.Add(' ');
    out_.Add(family.unit);
    out_.Add('\n');
  }

  void AddLabels(const Sample& sample) {
    for (const LabelPair& label : set_.LabelsOf(sample)) {
      // A comma, an equals sign and two quotation marks.
      char* to = labels_.Room(label.name.size() + label.value.size() * 2 + 4);
      if (labels_.size() > 0) *to++ = ',';
      to = Write(label.name, to);
      *to++ = '=';
      *to++ = '"';
      to = WriteEscaped(label.value, true, to);
      *to++ = '"';
      labels_.Filled(to);
    }
  }

  // One sample; `le` or `quantile` may be the label that it has besides.
  void AddLine(std::string_view suffix, double value, std::string_view label = {},
               std::string_view label_value = {}) {
    // What is between them takes seven bytes at most.
    char* to = out_.Room(name_.size() + suffix.size() + labels_.size() + label.size() +
                         label_value.size() + 7);
    to = Write(name_, to);
    to = Write(suffix, to);
    if (labels_.size() > 0 || !label.empty()) {
      *to++ = '{';
      to = Write(labels_.view(), to);
      if (!label.empty()) {
        if (labels_.size() > 0) *to++ = ',';
        to = Write(label, to);
        *to++ = '=';
        *to++ = '"';
        to = Write(label_value, to);
        *to++ = '"';
      }
      *to++ = '}';
    }
    *to++ = ' ';
    out_.Filled(to);
    out_.AddNumber(value);
    out_.Add('\n');
  }

  void AddHistogram(const Sample& sample) {
    // Most of what is rendered are lines of buckets, which differ in their ends alone.
    line_.Clear();
    line_.Add(name_);
    line_.Add("_bucket{");
    line_.Add(labels_.view());
    line_.Add(labels_.size() > 0 ? ",le=\"" : "le=\"");
    if (sample.cells != nullptr) {
      const ClassicHistogram classic = FoldClassic(*sample.cells);
      AddBuckets(TextsOf(classic.edges), classic.cumulative_counts);
      AddEnd(sample.cells->layout->InUnits(sample.cells->sum),
             static_cast<double>(classic.cumulative_counts.back()));
      return;
    }
    const Distribution& distribution = *sample.distribution;
    std::vector<double> bounds(distribution.bounds.begin(), distribution.bounds.end());
    bounds.push_back(HUGE_VAL);
    std::vector<uint64_t> cumulative_counts;
    double count = 0;
    for (const double value : distribution.values) {
      count += value;
      cumulative_counts.push_back(static_cast<uint64_t>(count));
    }
    AddBuckets(TextsOf(bounds), cumulative_counts);
    AddEnd(distribution.sum, count);
  }
  void AddBuckets(std::span<const std::string> edges, std::span<const uint64_t> counts) {
    constexpr size_t kLongestCount = 20;
    for (size_t i = 0; i < edges.size(); ++i) {
      char* to = out_.Room(line_.size() + edges[i].size() + kLongestCount + 1);
      to = Write(line_.view(), to);
      to = Write(edges[i], to);
      to = std::to_chars(to, to + kLongestCount, counts[i]).ptr;
      *to++ = '\n';
      out_.Filled(to);
    }
  }

  void AddSummary(const Sample& sample) {
    const Distribution& distribution = *sample.distribution;
    for (size_t i = 0; i < distribution.bounds.size(); ++i) {
      AddLine("", distribution.values[i], "quantile", CanonicalText(distribution.bounds[i]));
    }
    AddEnd(distribution.sum, distribution.count);
  }

  void AddEnd(double sum, double count) {
    AddLine("_sum", sum);
    AddLine("_count", count);
  }

  // What a line of each edge ends with, before its count. Families have few sets of edges, and each
  // is used many times in a row.
  using EdgeTexts = std::vector<std::string>;
  const EdgeTexts& TextsOf(std::span<const double> edges) {
    if (!std::equal(edges.begin(), edges.end(), edges_.begin(), edges_.end())) {
      edges_.assign(edges.begin(), edges.end());
      edge_texts_.clear();
      for (const double edge : edges) edge_texts_.push_back(CanonicalText(edge) + "\"} ");
    }
    return edge_texts_;
  }
  // OpenMetrics has a point in every one of these numbers, so that all exporters name a series
  // alike.
  std::string CanonicalText(double number) const {
    OutputBuffer text;
    text.AddEdge(number);
    std::string canonical(text.view());
    if (dialect_ == Dialect::kOpenMetrics &&
        canonical.find_first_not_of("-0123456789") == std::string::npos) {
      canonical += ".0";
    }
    return canonical;
  }

  const MetricSet& set_;
  const Dialect dialect_;
  OutputBuffer& out_;
  std::string_view name_;
  OutputBuffer labels_;
  OutputBuffer line_;
  std::vector<double> edges_;
  EdgeTexts edge_texts_;
};

}  // namespace

void RenderText(const MetricSet& set, OutputBuffer& out) {
  TextRenderer renderer(set, Dialect::kPrometheus, out);
  for (const ExportedFamily& family : set.families) renderer.Render(family);
}

void RenderOpenMetrics(const MetricSet& set, OutputBuffer& out) {
  TextRenderer renderer(set, Dialect::kOpenMetrics, out);
  for (const ExportedFamily& family : set.families) renderer.Render(family);
  out.Add("# EOF\n");
}

}  // namespace vitrine
