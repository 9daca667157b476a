package image

import (
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer is a tar file that is stored as it is. The library's own layers are
// always compressed, which would cost a second for a large program when it is
// packed, and again on every node that unpacks it, to save space that nobody
// wants for.
type layer struct {
	path string
	hash v1.Hash
	size int64
}

func openLayer(path string) (*layer, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	hash, size, err := v1.SHA256(file)
	if err != nil {
		return nil, err
	}
	return &layer{path: path, hash: hash, size: size}, nil
}

// Digest is that of the tar file.
func (l *layer) Digest() (v1.Hash, error) { return l.hash, nil }

// DiffID is the digest before compression, of which there is none.
func (l *layer) DiffID() (v1.Hash, error) { return l.hash, nil }

// Compressed is the tar file.
func (l *layer) Compressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Uncompressed is the tar file.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Size is the tar file's, in bytes.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType says that the layer is not compressed.
func (l *layer) MediaType() (types.MediaType, error) { return types.DockerUncompressedLayer, nil }
