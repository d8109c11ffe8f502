package main

import (
	"os"
	"path/filepath"
	"slices"

	"postdesk/ticketing/web"
)

// files reads what goes with a reply.
func (cmd *replyCmd) files() (files []web.File, err error) {
	for i, path := range append(slices.Clone(cmd.Attach), cmd.Inline...) {
		f := web.File{Name: filepath.Base(path)}
		if f.Content, err = os.ReadFile(path); err != nil {
			return nil, fault{exitNoInput, err.Error()}
		}
		if i >= len(cmd.Attach) {
			f.ContentID = f.Name
		}
		files = append(files, f)
	}
	return files, nil
}
