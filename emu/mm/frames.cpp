#include "emu/mm/frames.hpp"

#include "emu/check.hpp"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace trapline {

Frames::Frames(std::uint64_t bytes) : bytes_(page_ceil(bytes)), limit_(static_cast<std::uint32_t>(bytes / kPageSize)) {
    fd_ = ::memfd_create("trapline-ram", MFD_CLOEXEC);
    TL_CHECK(fd_ >= 0 && ::ftruncate(fd_, static_cast<off_t>(bytes_)) == 0, "no memory file for {} bytes of RAM",
             bytes_);
    void* p = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
    TL_CHECK(p != MAP_FAILED, "cannot map {} bytes of RAM", bytes_);
    ram_ = static_cast<std::uint8_t*>(p);
    info_.resize(1); // frame 0 stands for "none"
}

Frames::~Frames() {
    ::munmap(ram_, bytes_);
    ::close(fd_);
}

FrameNo Frames::allocate() {
    if (in_use_ >= limit_) return 0;
    FrameNo f = 0;
    if (!free_.empty()) {
        f = free_.back();
        free_.pop_back();
        if (info_[f].code && code_freed_) code_freed_(f); // not before: most frames are never used again
        std::memset(data(f), 0, kPageSize);
    } else {
        if (frame_base(fresh_) >= bytes_) return 0;
        f = fresh_++;
        info_.resize(fresh_);
    }
    info_[f] = Info{1, false};
    ++in_use_;
    return f;
}

FrameNo Frames::allocate_copy(FrameNo from) {
    FrameNo f = allocate();
    if (f != 0) std::memcpy(data(f), data(from), kPageSize);
    return f;
}

void Frames::get(FrameNo f) {
    TL_CHECK(f != 0 && info_[f].references > 0, "reference to free frame {}", f);
    ++info_[f].references;
}

void Frames::put(FrameNo f) {
    TL_CHECK(f != 0 && info_[f].references > 0, "frame {} freed twice", f);
    if (--info_[f].references > 0) return;
    free_.push_back(f);
    --in_use_;
}

} // namespace trapline
