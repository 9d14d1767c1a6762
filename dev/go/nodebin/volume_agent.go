package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	provisioner      = "marauders.dev/local-path"
	volumeRoot       = "/var/local-path-provisioner"
	volumesEvery     = time.Second
	selectedNode     = "volume.kubernetes.io/selected-node"
	provisionedBy    = "pv.kubernetes.io/provisioned-by"
	volumeFolderMode = 0o777 // any user id of a restricted pod may write: host-path volumes belong to root
)

// volumeAgent makes and removes the local volumes of one node, for claims whose pod was scheduled there.
//
// The class binds on first use, so the scheduler has already put the node's name on the claim: each agent looks
// only at claims and volumes of its own node and no leader is needed. Comparing once a second is enough for tests
// and keeps the agent without caches.
func volumeAgent(ctx context.Context) error {
	return runAgent(ctx, volumesEvery, provisionPass)
}

func provisionPass(ctx context.Context, client kubernetes.Interface, self string) error {
	claims, err := client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	for i := range claims.Items {
		claim := &claims.Items[i]
		if claim.Status.Phase == corev1.ClaimPending && claim.Annotations[selectedNode] == self &&
			claim.Annotations["volume.kubernetes.io/storage-provisioner"] == provisioner {
			if err := provision(ctx, client, claim, self); err != nil {
				return fmt.Errorf("claim %s/%s: %w", claim.Namespace, claim.Name, err)
			}
		}
	}
	volumes, err := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	for i := range volumes.Items {
		volume := &volumes.Items[i]
		if volume.Status.Phase == corev1.VolumeReleased && volume.Annotations[provisionedBy] == provisioner &&
			volume.Annotations[selectedNode] == self && volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
			if err := remove(ctx, client, volume); err != nil {
				return fmt.Errorf("volume %s: %w", volume.Name, err)
			}
		}
	}
	return nil
}

func provision(ctx context.Context, client kubernetes.Interface, claim *corev1.PersistentVolumeClaim, self string) error {
	class, err := client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	name := "pvc-" + string(claim.UID)
	folder := filepath.Join(volumeRoot, name)
	if err := os.MkdirAll(folder, volumeFolderMode); err != nil {
		return err
	}
	if err := os.Chmod(folder, volumeFolderMode); err != nil { // MkdirAll applies the umask
		return err
	}
	node := corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{self}}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisioner, selectedNode: self}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			StorageClassName:              class.Name,
			// The claim's uid: a claim made again by the same name must never get the old data.
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{node}}},
			}},
		},
	}
	if _, err := client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
		return nil // made by the pass before; the binding is the controller manager's
	} else if err != nil {
		return err
	}
	slog.Info("volume made", "volume", name, "claim", claim.Namespace+"/"+claim.Name)
	return nil
}

func remove(ctx context.Context, client kubernetes.Interface, volume *corev1.PersistentVolume) error {
	if err := os.RemoveAll(filepath.Join(volumeRoot, volume.Name)); err != nil {
		return err
	}
	if err := client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	slog.Info("volume removed", "volume", volume.Name)
	return nil
}
