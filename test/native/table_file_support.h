#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "container_surgery.h"
#include "engine/table_file.h"
#include "memory_files.h"
#include "random_data.h"
#include "storage/container_writer.h"
#include "table_model.h"

namespace vitrine {

inline constexpr char kPath[] = "index.vitrine";

struct Shape {
  size_t dimension = 3;
  Metric metric = Metric::kL2;
  IdType id_type = IdType::kU32;
  size_t m = 4;
  Quantization quantization = Quantization::kNone;
};

inline std::unique_ptr<Table> MakeShaped(const Shape& shape, ThreadPool* pool = nullptr) {
  return MakeTable(TableOptions{.dimension = shape.dimension,
                                .metric = shape.metric,
                                .id_type = shape.id_type,
                                .graph = {.m = shape.m, .ef_construction = 40, .seed = 7},
                                .quantization = shape.quantization,
                                .threads = pool == nullptr ? 1 : pool->threads(),
                                .capacity = 10},
                   pool);
}

inline std::vector<float> RandomVectors(size_t count, size_t dimension, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vectors(count * dimension);
  for (float& component : vectors) component = normal(random);
  return vectors;
}

inline Status Save(const Table& table, MemoryFiles& files, std::string creator = "a test") {
  return SaveTable(table, kPath, {.creator = std::move(creator), .files = &files});
}

inline Result<std::unique_ptr<Table>> Load(MemoryFiles& files, ThreadPool* pool = nullptr) {
  return LoadTable(kPath, BestKernels(), pool,
                   {.threads = pool == nullptr ? 1 : pool->threads(), .files = &files});
}

inline Bytes SavedBytes(const Table& table) {
  MemoryFiles files;
  ExpectOk(Save(table, files));
  return files.Get(kPath);
}

// The file once more, without a section: one of before it had that.
inline Bytes WithoutSection(const Bytes& whole, SectionType left_out) {
  MemoryFiles files;
  auto file = files.Create(kPath);
  EXPECT_TRUE(file.ok());
  ContainerWriter writer(**file, nullptr);
  ExpectOk(writer.Start(DecodeHeader(whole.data())));
  const FooterPage footer = FooterOf(whole);
  for (uint64_t at = 0; at < footer.table_bytes; at += SectionEntry::kBytes) {
    const SectionEntry section = DecodeSection(whole.data() + footer.table_offset + at);
    const auto type = static_cast<SectionType>(section.type);
    if (type == left_out) continue;
    writer.BeginSection(type, section.element_bytes, section.flags);
    ExpectOk(writer.Append({whole.data() + section.offset, static_cast<size_t>(section.length)}));
    ExpectOk(writer.EndSection());
  }
  EXPECT_TRUE(writer.Finish(footer.covered_version).ok());
  return files.Get(kPath);
}

inline Result<std::unique_ptr<Table>> LoadBytes(Bytes bytes) {
  MemoryFiles files;
  files.Put(kPath, std::move(bytes));
  return Load(files);
}

}  // namespace vitrine
