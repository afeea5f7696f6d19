#include "engine/collection_checkpoint.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "engine/code_sections.h"
#include "engine/collection_file.h"
#include "engine/image_links.h"
#include "engine/recall_file.h"
#include "storage/byte_stream.h"
#include "storage/container_writer.h"

namespace vitrine {
namespace {

Status AppendPadded(ContainerWriter& writer, std::vector<std::byte> config) {
  config.resize(kPartConfigBytes);
  writer.BeginSection(SectionType::kConfig, kPartConfigBytes);
  VITRINE_RETURN_IF_ERROR(writer.Append(config));
  return writer.EndSection();
}

Status WritePoints(ContainerWriter& writer, const Collection& collection,
                   Collection::Image& image) {
  std::vector<std::byte> config = EncodeCollectionConfig(WithoutFields(collection.config()));
  ByteWriter counts(config);
  counts.Put(uint64_t{image.size()});
  counts.Put(image.last_lsn());
  VITRINE_RETURN_IF_ERROR(AppendPadded(writer, std::move(config)));

  writer.BeginSection(SectionType::kRecordEnds, sizeof(uint64_t));
  uint64_t end = 0;
  for (size_t i = 0; i < image.size(); ++i) {
    end += image.Record(i).bytes().size();
    std::array<std::byte, sizeof(uint64_t)> bytes;
    StoreLittleEndian(bytes.data(), end);
    VITRINE_RETURN_IF_ERROR(writer.Append(bytes));
  }
  VITRINE_RETURN_IF_ERROR(writer.EndSection());

  writer.BeginSection(SectionType::kRecords, 1);
  for (size_t i = 0; i < image.size(); ++i) {
    VITRINE_RETURN_IF_ERROR(writer.Append(image.Record(i).bytes()));
  }
  VITRINE_RETURN_IF_ERROR(writer.EndSection());

  const size_t row_bytes = VectorElementBytes(collection.config());
  const size_t vector_bytes = collection.table().vector_bytes();
  const std::vector<std::byte> padding(row_bytes - vector_bytes);
  writer.BeginSection(SectionType::kVectors, static_cast<uint32_t>(row_bytes));
  size_t block = TableImage::kNoBlock;
  for (size_t i = 0; i < image.size(); ++i) {
    const Result<const std::byte*> vector = image.table().VerifiedVector(i, block);
    if (!vector.ok()) return vector.status();
    VITRINE_RETURN_IF_ERROR(writer.Append(std::span(*vector, vector_bytes)));
    VITRINE_RETURN_IF_ERROR(writer.Append(padding));
  }
  return writer.EndSection();
}

Status WriteWords(ContainerWriter& writer, SectionType type, std::span<const uint32_t> words) {
  writer.BeginSection(type, sizeof(uint32_t));
  VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(words)));
  return writer.EndSection();
}

Status WriteGraphConfig(ContainerWriter& writer, const TableImage& table,
                        const TableImage::Entries& entries, const Digest128& primary) {
  std::vector<std::byte> config;
  ByteWriter fields(config);
  fields.Append(std::span(primary));
  fields.Put(uint64_t{table.size()});
  fields.Put(static_cast<uint32_t>(table.width()));
  fields.Put(uint32_t{0});
  fields.Put(entries.offered);
  fields.Put(entries.stride);
  fields.Put(static_cast<uint32_t>(table.codes().kind));
  return AppendPadded(writer, std::move(config));
}

//   written  becomes that of the links
Status WriteLinks(ContainerWriter& writer, const TableImage& table, ImageLinks::Digest& written) {
  std::vector<uint32_t> words(table.width());
  writer.BeginSection(SectionType::kLinks, static_cast<uint32_t>(words.size() * sizeof(uint32_t)));
  for (size_t i = 0; i < table.size(); ++i) {
    table.CopyLinks(i, words, written);
    VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(words))));
  }
  return writer.EndSection();
}

Status WriteCodes(ContainerWriter& writer, const TableImage& table) {
  const TableImage::Codes& codes = table.codes();
  const CodeSections sections = CodeSectionsOf(*codes.store);
  writer.BeginSection(SectionType::kCodeCentre, sizeof(float));
  VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(codes.store->centre())));
  VITRINE_RETURN_IF_ERROR(writer.EndSection());

  // Nothing looks at those of points that are in the row of another one.
  std::vector<std::byte> none(codes.store->row_bytes());
  writer.BeginSection(sections.codes, static_cast<uint32_t>(none.size()),
                      SectionEntry::kMayBeIgnored);
  for (size_t i = 0; i < table.size(); ++i) {
    const bool is_host = table.HostOf(i) == i;
    VITRINE_RETURN_IF_ERROR(writer.Append(
        is_host ? std::as_bytes(std::span(codes.store->Row(table.RowOf(i)), none.size()))
                : std::span<const std::byte>(none)));
  }
  VITRINE_RETURN_IF_ERROR(writer.EndSection());

  std::vector<std::byte> side(codes.store->side_bytes());
  writer.BeginSection(sections.sides, static_cast<uint32_t>(side.size()),
                      SectionEntry::kMayBeIgnored);
  for (size_t i = 0; i < table.size(); ++i) {
    std::fill(side.begin(), side.end(), std::byte{});
    if (table.HostOf(i) == i) codes.store->CopySide(table.RowOf(i), side.data());
    VITRINE_RETURN_IF_ERROR(writer.Append(side));
  }
  return writer.EndSection();
}

Status WriteGraph(ContainerWriter& writer, TableImage& table, const Digest128& primary) {
  const TableImage::Entries entries = table.CopyEntries();
  VITRINE_RETURN_IF_ERROR(WriteGraphConfig(writer, table, entries, primary));
  std::vector<uint32_t> hosts(table.size());
  for (size_t i = 0; i < hosts.size(); ++i) hosts[i] = table.HostOf(i);
  VITRINE_RETURN_IF_ERROR(WriteWords(writer, SectionType::kHosts, hosts));
  ImageLinks::Digest written;
  VITRINE_RETURN_IF_ERROR(WriteLinks(writer, table, written));
  VITRINE_RETURN_IF_ERROR(WriteWords(writer, SectionType::kEntries, entries.points));
  // Whoever opens the file need not look at every link then.
  if (table.LinksLeadEverywhere(entries, written)) {
    const std::vector<uint32_t> outsiders = table.Outsiders();
    writer.BeginSection(SectionType::kOutsiders, sizeof(uint32_t), SectionEntry::kMayBeIgnored);
    VITRINE_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(outsiders))));
    VITRINE_RETURN_IF_ERROR(writer.EndSection());
  }
  if (table.codes().kind != Quantization::kNone) VITRINE_RETURN_IF_ERROR(WriteCodes(writer, table));
  return WriteCalibration(writer, table.calibration(), table.ended_points());
}

}  // namespace

Result<Manifest::Part> WriteCollection(const CheckpointPlace& place, uint64_t epoch,
                                       const Collection& collection, Collection::Image& image) {
  VITRINE_RETURN_IF_ERROR(collection.table().FetchEverything());
  CheckpointFile primary{.epoch = epoch, .collection = collection.id()};
  VITRINE_RETURN_IF_ERROR(WriteCheckpointFile(place, primary, [&](ContainerWriter& writer) {
    return WritePoints(writer, collection, image);
  }));
  Manifest::Part part{.collection = collection.id(),
                      .epoch = epoch,
                      .primary_bytes = primary.bytes,
                      .primary_root = primary.root,
                      .record_bytes = primary.record_bytes};
  if (!image.table().linked()) return part;
  CheckpointFile graph{.epoch = epoch, .collection = collection.id(), .file = PartFile::kGraph};
  image.table().NumberRows();
  VITRINE_RETURN_IF_ERROR(WriteCheckpointFile(place, graph, [&](ContainerWriter& writer) {
    return WriteGraph(writer, image.table(), primary.root);
  }));
  part.graph_bytes = graph.bytes;
  part.graph_root = graph.root;
  return part;
}

}  // namespace vitrine
