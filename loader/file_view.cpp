#include "loader/file_view.hpp"

namespace trapline {

FileKey key_of(const struct stat& st) { return {st.st_dev, st.st_ino}; }

FileView FileViews::view(const struct stat& st) {
    Known& known = files_[key_of(st)];
    if (known.inode == 0) known.inode = ++last_inode_;
    FileView out;
    out.inode = known.inode;
    out.mode = st.st_mode;
    out.links = st.st_nlink;
    out.uid = st.st_uid;
    out.gid = st.st_gid;
    out.size = static_cast<std::uint64_t>(st.st_size);
    out.blocks = static_cast<std::uint64_t>(st.st_blocks);
    out.mtime = known.touched ? known.modified : st.st_mtim;
    out.atime = known.accessed;
    if (known.touched) {
        if (S_ISDIR(st.st_mode)) out.size = FileView::block_size;
        out.blocks = (out.size + FileView::block_size - 1) / FileView::block_size * (FileView::block_size / 512);
    }
    return out;
}

void FileViews::created(const FileKey& key) {
    files_.erase(key);
    changed(key);
}

} // namespace trapline
