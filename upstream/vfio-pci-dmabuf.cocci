// SPDX-License-Identifier: GPL-2.0-only
//
// Let the driver of a device-specific region export it. What is not a BAR is not
// behind the device's memory decode, nor gone while it is reset or asleep.

@exported@
identifier feature =~ "^vfio_pci_core_feature_dma_buf$";
identifier vdev, args, priv, ret;
expression E1, E2, E3;
expression list ES;
@@
  feature(struct vfio_pci_core_device *vdev, ...)
  {
  ...
- if (E1 || E2)
+ region = vfio_pci_dma_buf_region(vdev, args.region_index);
+ if (IS_ERR(region))
    return -ENODEV;
  ...
- ret = vdev->pci_ops->get_dmabuf_phys(vdev, &priv->provider, args.region_index, ES);
+ if (region)
+ 	ret = region->ops->get_dmabuf_phys(vdev, region, ES);
+ else
+ 	ret = vdev->pci_ops->get_dmabuf_phys(vdev, &priv->provider,
+ 					     args.region_index, ES);
  ...
+ priv->follows_decode = !region;
- priv->revoked = E3;
+ priv->revoked = priv->follows_decode && E3;
  ...
  }

@moved@
identifier move =~ "^vfio_pci_dma_buf_move$";
identifier vdev, priv, revoked;
@@
  move(struct vfio_pci_core_device *vdev, bool revoked)
  {
  <...
- if (priv->revoked != revoked)
+ if (priv->follows_decode && priv->revoked != revoked)
  {
  ...
  }
  ...>
  }

@cleaned@
identifier cleanup =~ "^vfio_pci_dma_buf_cleanup$";
identifier vdev;
@@
  cleanup(struct vfio_pci_core_device *vdev)
  {
  ...
  down_write(&vdev->memory_lock);
+ vfio_pci_dma_buf_follow_all(vdev);
  ...
  }
