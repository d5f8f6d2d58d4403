// loader/byte_source.hpp: reading a file's headers from memory or from a descriptor with the same code.
//
// Every read names its place and size and either succeeds whole or fails: there are no short reads to forget about, and
// no sum of offset and size that may overflow. Used by loader/elf.cpp and loader/script.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trapline {

class ByteSource {
  public:
    explicit ByteSource(std::span<const std::uint8_t> bytes) : bytes_(bytes), size_(bytes.size()) {}
    /// A descriptor that cannot be examined counts as an empty file.
    explicit ByteSource(int fd);

    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t bytes) const {
        return offset <= size_ && bytes <= size_ - offset;
    }
    /// Copies exactly `bytes` bytes; false when they are not all there or the host cannot read them.
    [[nodiscard]] bool read(std::uint64_t offset, void* to, std::size_t bytes) const;

  private:
    std::span<const std::uint8_t> bytes_;
    int fd_ = -1;
    std::uint64_t size_ = 0;
};

} // namespace trapline
