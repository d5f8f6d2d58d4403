// loader/files/io_buffer.hpp: where the bytes of a read go and those of a write come from.
//
// An open file does not know whether it serves read, readv, pread or sendfile: it is handed a buffer that takes or
// gives bytes piece by piece and says how many it could. Guest memory is touched page by page and only as far as bytes
// really move, so a read of 2^60 bytes costs nothing, and what a bad pointer refuses stays in the file. Read next:
// file.hpp.
#pragma once

#include "emu/mm/mm.hpp"
#include "loader/host_fd.hpp"

#include <vector>

namespace trapline {

class IoBuffer {
  public:
    virtual ~IoBuffer() = default;
    /// Copies up to `n` bytes into the buffer; returns how many, fewer only at its end or at a bad address.
    virtual std::size_t put(const std::uint8_t* from, std::size_t n) = 0;
    /// Copies up to `n` bytes out of the buffer; returns how many.
    virtual std::size_t take(std::uint8_t* to, std::size_t n) = 0;
    [[nodiscard]] std::uint64_t left() const { return left_; }

  protected:
    std::uint64_t left_ = 0;
};

/// Guest memory: one range, or a list of them as readv takes it.
class GuestBuffer final : public IoBuffer {
  public:
    /// What one call moves at most: MAX_RW_COUNT of include/linux/fs.h.
    static constexpr std::uint64_t kMost = 0x7ffff000;
    static constexpr std::uint64_t kMostRanges = 1024; ///< UIO_MAXIOV

    /// -EFAULT when the range leaves user space.
    static OrErrno<GuestBuffer> range(Mm& mm, Addr start, std::uint64_t bytes);
    /// `count` struct iovec at `list`. -EINVAL for too many or a negative length, -EFAULT.
    static OrErrno<GuestBuffer> list(Mm& mm, Addr list, std::uint64_t count) { return list_in(mm, mm, list, count); }
    /// The same for memory of another process; the list is in `lists`.
    static OrErrno<GuestBuffer> list_in(Mm& lists, Mm& memory, Addr list, std::uint64_t count);

    std::size_t put(const std::uint8_t* from, std::size_t n) override;
    std::size_t take(std::uint8_t* to, std::size_t n) override;

  private:
    struct Range {
        Addr start;
        std::uint64_t bytes;
    };
    explicit GuestBuffer(Mm& mm) : mm_(&mm) {}
    bool add(Addr start, std::uint64_t bytes);
    template <class Copy> std::size_t each_piece(std::size_t n, std::uint32_t rights, Copy copy);

    Mm* mm_;
    std::vector<Range> ranges_;
    std::size_t current_ = 0;
};

/// Memory of our own, for sendfile.
class HostBuffer final : public IoBuffer {
  public:
    HostBuffer(std::uint8_t* start, std::size_t bytes) : at_(start) { left_ = bytes; }
    std::size_t put(const std::uint8_t* from, std::size_t n) override;
    std::size_t take(std::uint8_t* to, std::size_t n) override;

  private:
    std::uint8_t* at_;
};

} // namespace trapline
