/** All parts of the page, by the names that the page in Python calls them. */
import { BatchChoice, BatchFacts, BatchPage } from "./batch.js";
import { Classes } from "./classes.js";
import { ExportChoice, ExportFacts, ExportPage } from "./exports.js";
import { FeatureImages } from "./feature_images.js";
import { FeatureChannels, FeatureScales, Presets } from "./features.js";
import { DropZone } from "./dropping.js";
import { FilesDialog } from "./files.js";
import { Banner, Rail, Steps, Toast, ViewerFrame } from "./frame.js";
import { AddImages, ImageTable } from "./images.js";
import { ImageChoice } from "./image_choice.js";
import { ImageProperties } from "./image_properties.js";
import { KeysDialog } from "./keys.js";
import { LabelImport } from "./label_import.js";
import { Dims, Lanes } from "./lanes.js";
import { Layers } from "./layers.js";
import { goOn } from "./going_on.js";
import { app, link, say, sendAll } from "./link.js";
import { FeatureTable } from "./matrix.js";
import { ProjectImport } from "./project_import.js";
import { ProjectPlace } from "./project_place.js";
import { Classifiers, Quality, ShownClassifier } from "./quality.js";
import { KeysOffer, SettingsDialog } from "./settings.js";
import { Start, StartStatus } from "./start.js";
import { Status } from "./status.js";
import { Strokes } from "./strokes.js";
import { Tools } from "./tools.js";
import { startTooltips } from "./tooltips.js";
import { Topbar } from "./topbar.js";
import { CopyDialog, FoundNotices, VersionsDialog } from "./versions.js";

export const PARTS = {
  AddImages,
  Banner,
  BatchChoice,
  BatchFacts,
  BatchPage,
  Classes,
  Classifiers,
  CopyDialog,
  Dims,
  DropZone,
  ExportChoice,
  ExportFacts,
  ExportPage,
  FeatureChannels,
  FeatureImages,
  FeatureScales,
  FeatureTable,
  FilesDialog,
  FoundNotices,
  ImageChoice,
  ImageProperties,
  ImageTable,
  KeysDialog,
  KeysOffer,
  LabelImport,
  Lanes,
  Layers,
  Presets,
  ProjectImport,
  ProjectPlace,
  Quality,
  Rail,
  SettingsDialog,
  ShownClassifier,
  Start,
  StartStatus,
  Status,
  Steps,
  Strokes,
  Toast,
  Tools,
  Topbar,
  VersionsDialog,
  ViewerFrame,
};
export { app, goOn, link, say, sendAll, startTooltips };
