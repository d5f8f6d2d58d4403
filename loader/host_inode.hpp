// loader/host_inode.hpp: a regular file of the host as the memory system sees it.
//
// The page cache asks it for pages; it reads them from a descriptor of its own, so that a mapping outlives the
// descriptor it was made from. There is one for each file (System::inode_of), which is what lets processes share
// frames. It is opened by whoever uses the file first, perhaps only for writing, so it takes over what later users can
// do more. read and write keep in step with cached pages in loader/files/page_cache.hpp.
#pragma once

#include "emu/mm/inode.hpp"
#include "loader/host_fd.hpp"

namespace trapline {

class HostInode final : public Inode {
  public:
    HostInode(Frames& frames, std::uint64_t inode_number, std::string path, HostFd fd);
    ~HostInode() override;

    [[nodiscard]] std::uint64_t size() const override;
    /// Uses `fd` from now on for what the descriptors at hand cannot do: reading, or writing back.
    void adopt(HostFd fd);
    /// A descriptor of the file, for reading if there is one.
    [[nodiscard]] int descriptor() const { return reader_ ? reader_.get() : writer_.get(); }

  protected:
    bool fill(std::uint64_t index, std::uint8_t* page) override;
    void write_back(std::uint64_t index, const std::uint8_t* page) override;

  private:
    HostFd reader_, writer_; // one of them at least; `writer_` only beside a reader that cannot write
    bool reader_writes_ = false;
};

} // namespace trapline
